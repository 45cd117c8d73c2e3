"""The engine's input and output."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

from agent.cutting.formats.media import Identity
from agent.cutting.formats.spans import Spans
from agent.cutting.plan.encoders import Choice, Wanted
from clipping.contract.choices import Mode, Quality, TransitionType
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.output import AS_IS, Output
from clipping.contract.report import Report

Extent = Literal["ends", "full"]
OnDamage = Literal["warn", "fail", "reencode"]


@dataclass(frozen=True)
class CutSpec:
    """One clip of one recording: the frames with `in_point` <= pts < `out_point`.

    Points are seconds as a player shows them: 0 is the start of an MP4's own time, and the first frame or
    audio packet of everything else.
    """

    source: Path
    """Its name: opened only where `Engine.cut` is given no open file."""
    in_point: Fraction
    out_point: Fraction
    mode: Mode
    quality: Quality
    output: Output = AS_IS
    """The shape of an encoded clip; only the container and `audio` apply to a copied one."""
    effects: Effects = NO_EFFECTS
    """Of an encoded clip."""
    keyframes: tuple[Fraction, ...] = ()
    """When an encoded clip has keyframes in any case, in seconds of the clip."""
    refined: bool = False
    """Encode slowly whatever the shape."""


@dataclass(frozen=True)
class PartSpec:
    """One part of a reel."""

    source: Path
    """Its recording's name."""
    in_point: Fraction
    """As those of `CutSpec`."""
    out_point: Fraction
    title: str
    """Of its chapter."""
    effects: Effects = NO_EFFECTS


@dataclass(frozen=True)
class ReelSpec:
    """Parts of recordings that are joined into one video."""

    parts: tuple[PartSpec, ...]
    transition: TransitionType
    transition_seconds: Fraction
    mode: Mode
    quality: Quality
    output: Output = AS_IS
    """What it leaves open follows from the first part."""
    chapters: bool = True
    """A chapter for each part."""


@dataclass(frozen=True)
class Clip:
    """A finished, verified clip or reel."""

    path: Path
    extension: str
    """Without the dot."""
    content_type: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal."""
    duration: float
    """Seconds of video."""
    report: Report


@dataclass(frozen=True)
class EngineSettings:
    """Settings of the engine, for all cuts."""

    ffmpeg: Path | None = None
    """The ffmpeg to run. None: the one on PATH if it is 5.1 or later, else the imageio-ffmpeg package's."""
    stall_seconds: float = 30
    """A cut without progress, input and output for this long is ended. Seconds."""
    time_limit_seconds: float = 7200
    """The maximum duration of a cut. Seconds."""
    encoder: Wanted = "auto"
    """`cpu`: never use a GPU, even if it works; a kind of encoder: that one or the CPU."""
    gpus: tuple[int, ...] | None = None
    """The numbers of the GPUs to use: NVIDIA's own, and N of /dev/dri/renderD(128+N) for others. None: the
    first NVIDIA card, and the first other GPU whose encoder works."""
    verify: Extent = "ends"
    """`full`: every frame of a finished clip is decoded, not only both ends and the splice points."""
    on_damage: OnDamage = "warn"
    """When the recording is damaged within the clip: `warn` in the report, `fail`, or `reencode` the clip, so
    that players don't meet the damage; frames that can't be decoded are then missing."""
    sessions_per_gpu: int = 3
    """Encodes at once on one GPU; further ones go to the next GPU or kind of encoder, then to the CPU."""
    max_pixels: int = 8192 * 8192
    """The largest frame that is cut, as width times height."""
    slots: int = 1
    """How many cuts run at once: each of their processes may use its part of the memory."""
    cache_dir: Path | None = None
    """Where to cache the indexes of recordings, so that their next cut starts at once: up to 2 GiB, 4 MB for
    an hour of MP4. None: a temporary folder, removed when the engine is closed."""
    posters: bool = False
    """Whether posters are going to be made: what their process needs is then loaded at the start."""


@dataclass(frozen=True)
class Keep:
    """Where an encode keeps its finished segments, so that a later attempt at the same clip resumes there."""

    folder: Path
    """On the disk of the clip's folder, and of this clip alone. The caller removes it when the clip ends."""
    request_id: str
    spec_hash: str
    """Segments of another request with the same id are not used."""
    agent_id: str
    min_seconds: float
    """A shorter clip is encoded at once, without segments."""
    segment_seconds: float
    """About how long a segment is."""


@dataclass(frozen=True)
class Order:
    """The child process's input for a cut: the spec, where to write, and which tools to use."""

    spec: CutSpec
    identity: Identity
    """Of the recording, when it was opened. Its descriptor goes beside the order."""
    folder: Path
    stem: str
    """The clip's file name without extension; every file of this cut begins with it."""
    ffmpeg: Path
    choice: Choice
    """The encoder to use."""
    cache: Path | None = None
    """The folder of `EngineSettings.cache_dir`."""
    verify: Extent = "ends"
    """As `EngineSettings.verify`."""
    max_pixels: int = 8192 * 8192
    """As `EngineSettings.max_pixels`."""
    on_damage: OnDamage = "warn"
    """As `EngineSettings.on_damage`."""
    keep: Keep | None = None
    """Where to keep finished segments of an encode; None: it is made at once."""
    present: Spans | None = None
    """As `SourceFile.present`."""


@dataclass(frozen=True)
class PlanOrder:
    """The child process's input for a plan. The recording's descriptor goes beside it."""

    spec: CutSpec
    identity: Identity
    choice: Choice
    """The encoder that a cut would use now."""
    cache: Path | None
    """As `EngineSettings.cache_dir`."""
    max_pixels: int
    on_damage: OnDamage
