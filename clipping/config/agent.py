"""Sections of an agent: its folders and lanes, its health page, the election, the cutting engine."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from clipping.config.fields import AbsolutePath, Name, Port, Positive, Section


class NasRoot(Section):
    """A folder that clips may be cut from."""

    path: AbsolutePath
    marker: str | None = None
    """A file in the root that is there only while the NAS is mounted. Without it, an empty folder counts as
    "not mounted"."""


class Slots(Section):
    """How many clips each lane works on at once."""

    interactive: Annotated[int, Field(ge=1, le=64)] = 4
    """Copies: bound by the NAS and the uplink, hardly by the CPU."""
    batch: Annotated[int, Field(ge=0, le=64)] = 1
    """Encodes: one x264 fills two cores. 0 leaves this lane to other agents."""


class Agent(Section):
    """The daemon on the NAS."""

    id: Name = Field(
        default_factory=lambda: re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:63] or "agent"
    )
    """Unique in the cluster. Default: the host's name."""
    cluster: Name = "default"
    """Agents of one cluster serve the same requests."""
    state_dir: AbsolutePath = "/var/lib/clipping-agent"
    """The spool, where clips are cut before they are uploaded. A local disk, not the NAS."""
    nas_roots: list[NasRoot] = Field(default_factory=list)
    """Recordings outside these folders are refused, whatever a path or a link says."""
    slots: Slots = Slots()
    ffmpeg: AbsolutePath | None = None
    """The ffmpeg to run. Default: the one on PATH if it is 5.1 or later, else that of imageio-ffmpeg."""
    min_free_bytes: Annotated[int, Field(ge=0)] = 1_000_000_000
    """Keep this much of the spool's disk free: a clip that would leave less waits."""


class Health(Section):
    """The agent's own HTTP (`/health`, `/metrics`), and how a standby polls the leader's."""

    host: str = "0.0.0.0"
    port: Port = 8005
    """0 picks a free one."""
    advertise_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/\s]+$")] | None = None
    """How the other agents reach this one, such as `http://nas-1.lan:8005`. Default: the host's name and the
    port; the loopback address when `host` is one."""
    interval_seconds: Positive = 30
    """How often a standby polls the leader's `/health`."""
    failures: Annotated[int, Field(ge=1, le=100)] = 3
    """So many failed polls in a row, and the leader counts as dead."""
    retry_seconds: Positive = 5
    """After a failed poll the next ones come this soon: the lease decides anyway."""
    timeout_seconds: Positive = 3
    """How long one poll may take."""
    token_file: AbsolutePath | None = None
    """Holds a token. With `Authorization: Bearer TOKEN` the page shows paths; without it never."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.retry_seconds > self.interval_seconds:
            raise ValueError("retry_seconds must not be above interval_seconds")
        return self


class Ha(Section):
    """Who of several agents works. The timings were chosen together: see docs/availability.md."""

    mode: Literal["primary-standby", "pool", "single"] = "primary-standby"
    """`primary-standby`: the leader works, the others wait. `pool`: all agents work, there is no
    leader. `single`: one agent, no lease."""
    preset: Literal["plain", "default", "brisk", "quick"] = "default"
    """Fills the timings of `health` and `ha` that are not set here. `quick` renews every 2.5 s."""
    rank: Annotated[int, Field(ge=0, le=15)] = 0
    """Among the standbys the lowest rank takes over first: each waits 2 s times its rank."""
    ttl_seconds: Positive = 30
    """A lease that has not changed for so long, on the standby's own clock, has expired."""
    deadline_seconds: Positive = 20
    """The leader trusts itself so long from the sending of its last good renewal, then stops by itself."""
    renew_seconds: Positive = 10
    """How often the leader renews the lease."""
    retry_seconds: Positive = 2
    """How soon it tries again after a renewal that failed."""
    store_timeout_seconds: Positive = 4
    """How long one call to the store for the lease may take, without any retries of a client's own."""
    drain_seconds: Positive = 300
    """How long a stop or a planned failover waits for the clips in flight before it gives them back."""

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


class Cutting(Section):
    """The engine."""

    encoder: Literal["auto", "nvenc", "cpu"] = "auto"
    """`auto`: an NVIDIA card where one truly encodes, else the CPU. `nvenc`: the same, and `doctor` calls it
    bad when no card does. `cpu`: never a card."""
    nvenc_sessions: Annotated[int, Field(ge=1, le=64)] = 3
    """Encodes at once on the card; consumer cards refuse more. Further ones go to the CPU."""
    stall_seconds: Positive = 30
    """A cut whose output and input have both stood still for so long is ended and tried again."""
    time_limit_seconds: Positive = 7200
    """The longest that one cut may take."""
    max_pixels: Annotated[int, Field(ge=256 * 256)] = 8192 * 8192
    """The largest frame that is cut, as width times height. The memory that a cut needs grows with it."""
    verify: Literal["ends", "full"] = "ends"
    """How much of a finished clip is decoded before it is reported. `ends`: the first and the last
    second and where frames of two encoders meet; `full`: every frame, about as slow as playing it fast."""
    on_damage: Literal["warn", "fail", "reencode"] = "warn"
    """What to do when the recording is damaged within a clip. `warn`: the report's warnings say where.
    `fail`: the request fails with SOURCE_DAMAGED. `reencode`: a copied or smart clip is encoded instead, so
    that it plays through; frames that can't be decoded are missing, and the warnings stay."""
    default_mode: Literal["copy", "smart", "encode"] | None = None
    """How the API has a request cut that wants high quality, names no mode and no other look. Unset: `copy`.
    Medium quality always means `encode`."""
