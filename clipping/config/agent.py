"""Sections of an agent: its folders and lanes, its health page, the election, the cutting engine."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from clipping.config.fields import AbsolutePath, Name, Port, Positive, Section
from clipping.config_file import STATE_DIR

_LAST_GPU = 63
"""The kernel's last render node is renderD191."""


class NasRoot(Section):
    """A folder that clips may be cut from."""

    path: AbsolutePath
    """The folder, as requests name it."""
    marker: str | None = None
    """A file in the folder that exists only while the NAS is mounted. Without it, an empty folder counts as
    not mounted."""


class Slots(Section):
    """How many clips each lane works on at the same time."""

    interactive: Annotated[int, Field(ge=1, le=64)] = 4
    """Copies, smart cuts and high priority: bound by the NAS and the uplink, with little CPU."""
    batch: Annotated[int, Field(ge=0, le=64)] = 1
    """Encodes and low priority. One x264 encode fills two cores. 0 leaves this lane to other agents."""


class Agent(Section):
    """The agent on the NAS. The API reads `cluster` and `nas_roots` too."""

    id: Name = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] or "agent"
    )
    """The agent's name, unique in the cluster. Default: the host's name."""
    cluster: Name = "default"
    """The name of the cluster. Agents of one cluster serve the same requests and elect one leader."""
    state_dir: AbsolutePath = STATE_DIR
    """The folder for unfinished clips and cached indexes of recordings. Must be a local disk, not the NAS."""
    nas_roots: list[NasRoot] = Field(default_factory=list)
    """The folders that clips may be cut from. Recordings elsewhere are refused, whatever a path or a link
    says."""
    slots: Slots = Slots()
    ffmpeg: AbsolutePath | None = None
    """The ffmpeg to run. Default: the one on PATH if it is 5.1 or later, otherwise that of the package
    imageio-ffmpeg."""
    min_free_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """Free space to keep on the disk of `state_dir`: clips that would leave less wait. With a local store,
    uploads that would leave less than twice that on its disk are refused."""


class Health(Section):
    """The agent's HTTP page (`/health`, `/metrics`), and how a standby polls the leader's."""

    host: str = "0.0.0.0"
    """The address that the page listens on."""
    port: Port = 8005
    """The port that the page listens on. 0 picks a free one."""
    advertise_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")] | None = None
    """How the other agents reach this one, such as `http://nas-1.lan:8005`. Default: the host's name and the
    port, or the loopback address when `host` is one."""
    interval_seconds: Positive = 30
    """How often a standby polls the leader's `/health`."""
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    """After this many failed polls in a row, the leader counts as dead."""
    retry_seconds: Positive = 5
    """The interval after a failed poll. A takeover also needs an expired lease."""
    timeout_seconds: Positive = 3
    """How long one poll may take."""
    token_file: AbsolutePath | None = None
    """A file with a token of 16 to 512 characters. Callers that send it as `Authorization: Bearer TOKEN` see
    paths in `/health` and `/metrics`; others see `root 1`. Unset: no caller sees paths."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_seconds > self.interval_seconds:
            raise ValueError("retry_seconds must not be above interval_seconds")
        return self


class Ha(Section):
    """Which of several agents works, and the timings of the election. The timings belong together: `preset`
    sets them."""

    mode: Literal["primary-standby", "pool", "single"] = "primary-standby"
    """`primary-standby`: the leader works, the others stand by. `pool`: all agents work, without a leader.
    `single`: one agent, without a lease."""
    preset: Literal["plain", "default", "brisk", "quick"] = "default"
    """Sets the timings of `health` and `ha` that the file does not set: `plain`, `default`, `brisk`, `quick`,
    from slow to fast takeovers."""
    rank: Annotated[int, Field(ge=0, le=15)] = 0
    """Of several standbys, the lowest rank takes over first. Each waits 2 s times its rank."""
    ttl_seconds: Positive = 30
    """A lease that has not changed for this long, on the standby's own clock, has expired. `ttl_seconds` >
    `deadline_seconds` > 1.2 x `renew_seconds`."""
    deadline_seconds: Positive = 20
    """The leader stops by itself this long after it sent its last successful renewal."""
    renew_seconds: Positive = 10
    """How often the leader renews the lease."""
    retry_seconds: Positive = 2
    """The wait after a failed renewal."""
    store_timeout_seconds: Positive = 4
    """How long one call to the store for the lease may take. It is not retried by the client library."""
    drain_seconds: Positive = 300
    """How long a stop or a planned failover waits for the clips in flight before they are given back. Long
    encodes that take longer are given back once a segment is finished."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.ttl_seconds > self.deadline_seconds > 1.2 * self.renew_seconds:
            raise ValueError("ttl_seconds > deadline_seconds > 1.2 x renew_seconds is required")
        if self.renew_seconds + self.store_timeout_seconds >= self.deadline_seconds:
            raise ValueError("renew_seconds + store_timeout_seconds must be below deadline_seconds")
        return self


PRESETS: Mapping[str, Mapping[str, Mapping[str, float]]] = {
    "plain": {"health": {"retry_seconds": 30}},
    "default": {},
    "brisk": {
        "health": {"interval_seconds": 10, "retry_seconds": 3},
        "ha": {"ttl_seconds": 20, "deadline_seconds": 14, "renew_seconds": 6, "store_timeout_seconds": 3},
    },
    "quick": {
        "health": {"interval_seconds": 2, "retry_seconds": 1, "timeout_seconds": 1},
        "ha": {
            "ttl_seconds": 10,
            "deadline_seconds": 7,
            "renew_seconds": 2.5,
            "retry_seconds": 1,
            "store_timeout_seconds": 2,
        },
    },
}
"""What `ha.preset` lays under the keys that are given, apart from the defaults above."""


class Checkpoints(Section):
    """Long encodes. They are made in segments, which are kept when the agent is stopped or dies: its next
    attempt resumes behind them."""

    min_seconds: Positive = 20
    """Clips of this length or more are encoded in segments. Shorter ones start over when interrupted."""
    segment_seconds: Annotated[float, Field(ge=1)] = 10
    """How long a segment is, about: it begins with a keyframe of the recording. When an encode is
    interrupted, the work on one segment is lost."""
    max_bytes: Annotated[int, Field(ge=0)] = 4_000_000_000
    """The most that segments of interrupted clips may take up in `agent.state_dir`. The oldest are removed
    first, and all that are older than 7 days."""
    remote: bool = False
    """Whether finished segments are kept in the store too, so that another agent with the same recording
    (the same size and time of modification) resumes behind them. They are deleted when the clip ends, after 7
    days at the latest. Refused with a `local` store on a network file system, where nothing is deleted."""


class Cutting(Section):
    """The cutting engine."""

    encoder: Literal["auto", "nvenc", "qsv", "vaapi", "cpu"] = "auto"
    """`auto`: the first of `nvenc` (NVIDIA), `qsv` (Intel) and `vaapi` (Intel, AMD) whose test encode
    succeeds, otherwise the CPU. One of these: that one; where it does not work the CPU, with a warning in the
    clip's report, and `doctor` fails. `cpu`: never a GPU."""
    gpus: Annotated[tuple[int, ...], Field(min_length=1)] | None = None
    """The GPUs to encode on, such as `[0, 1]`: NVIDIA's own numbers, and N of `/dev/dri/renderD(128+N)` for
    Intel's and AMD's. Unset: NVIDIA's card 0, and the first other GPU whose test encode succeeds."""
    sessions_per_gpu: Annotated[int, Field(ge=1, le=64)] = 3
    """Encodes on one GPU at the same time, as consumer cards limit them. Further ones run on another of
    `gpus`, with the next kind of encoder, or on the CPU."""
    stall_seconds: Positive = 30
    """A cut that reads, writes and computes nothing for this long is ended and tried again."""
    time_limit_seconds: Positive = 7200
    """The longest that one cut may take."""
    max_pixels: Annotated[int, Field(ge=256 * 256)] = 8192 * 8192
    """The largest frame that is cut, as width times height. The memory that a cut needs grows with it."""
    verify: Literal["ends", "full"] = "ends"
    """How much of a finished clip is decoded before it is reported. `ends`: the first and last second, and
    where frames of two encoders meet. `full`: every frame."""
    on_damage: Literal["warn", "fail", "reencode"] = "warn"
    """What to do when the recording is damaged within a clip. `warn`: deliver it, with warnings in the
    report. `fail`: fail with `SOURCE_DAMAGED`. `reencode`: encode instead of copy, so that the clip plays
    through; frames that can't be decoded are missing, and the warnings stay."""
    poster: bool = True
    """Whether each finished clip and reel gets a poster and a contact sheet, JPEG files beside it in the
    store. They cost little more than the decoding of 16 frames, and a clip's link waits for them for two
    seconds at most, after a long cut for up to 20."""
    default_mode: Literal["copy", "smart", "encode"] | None = None
    """The mode of requests with high quality that name no mode and no other output. Unset: `copy`. Medium
    quality is always `encode`. The API decides, when it accepts a request."""

    @model_validator(mode="after")
    def _each_gpu_once(self) -> Self:
        numbers = self.gpus or ()
        if len(set(numbers)) != len(numbers):
            raise ValueError("gpus: name each GPU once")
        if not all(0 <= number <= _LAST_GPU for number in numbers):
            raise ValueError(f"gpus: use numbers from 0 to {_LAST_GPU}")
        return self
