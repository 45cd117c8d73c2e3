"""What the jobs of a reel take and return. Plain, frozen data that needs no library."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from agent.cutting.formats.containers import Container
from agent.cutting.formats.media import Chapter, StreamInfo
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.spec import CutSpec, Extent, Order
from agent.cutting.reel.layout import Edges, Span
from clipping.contract.choices import Mode, Quality, TransitionType


@dataclass(frozen=True)
class Tail:
    """The last frames of a part, decoded and kept as raw video until the transition to the next part is
    made."""

    path: Path
    format: str
    """Of the pixels."""
    width: int
    height: int
    shown: tuple[int, ...]
    """When each frame is shown, in ticks from the first of them."""
    length: int
    """Until the last one ends, in ticks."""


@dataclass(frozen=True)
class PartOrder:
    """The input of `prepare.prepare_part`."""

    cut: Order
    """Of the whole part."""
    edges: Edges
    """What of it is to be mixed here, because the rest is copied."""
    transition: TransitionType
    before: Tail | None
    """Of the part before it."""


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare.prepare_part`. Its files are `stem.pcm`, `stem.tail` and `stem.join`."""

    start: Fraction
    """Where the part begins, in seconds as a player of the recording shows them."""
    end: Fraction
    length: Fraction
    """Seconds of the reel that it takes."""
    frames: int
    tick: Fraction
    """Seconds that the recording's frames are timed in."""
    usual: Fraction
    """The usual duration of a frame, in seconds."""
    audio: bool
    """Whether there is any."""
    body: tuple[Fraction, Fraction]
    """From where to where its frames belong to no transition, as `start`."""
    head_length: Fraction
    """Seconds of its first frames, which do."""
    tail: Tail | None
    join: int
    """How many frames `stem.join` has, which come before the body."""
    encoder: str | None
    """What made those."""


@dataclass(frozen=True)
class Reel:
    """What a reel is to be."""

    folder: Path
    stem: str
    ffmpeg: Path
    container: Container
    mode: Mode
    quality: Quality
    video: StreamInfo
    """As that of the reel: its codec and the ticks of its frames."""
    encoder: str | None
    """What made the encoded frames."""
    gpu: int | None
    """The number of the GPU that it ran on."""
    size: tuple[int, int]
    tick: Fraction
    """Seconds that frames are timed in, where they are copied."""
    usual: Fraction
    """The usual duration of a frame, in seconds."""
    length: Fraction
    """Seconds."""
    chapters: tuple[Chapter, ...]
    reencoded: Fraction
    """Seconds of video that were encoded."""
    verify: Extent


@dataclass(frozen=True)
class Made:
    """One part, cut."""

    video: Path | None
    """MP4. Of an encoded reel the whole part, of a copied one its body, None where that is empty."""
    frames: int
    """Of the whole part."""
    edges: Edges
    """How many of them belong to transitions."""
    join: Path | None
    """The transition from the part before it, where it was made with the part."""
    audio: Path | None
    """Raw samples."""
    span: Span
    body: Fraction
    """When its body begins in the reel, in seconds."""
    joined_at: Fraction
    """When the transition before it begins."""


@dataclass(frozen=True)
class AssembleOrder:
    """The input of `assemble.assemble`."""

    reel: Reel
    parts: tuple[Made, ...]
    kind: TransitionType
    ramp: Fraction
    """Seconds in which a transition changes the volume of each part."""
    cut: CutSpec
    """How parts are encoded."""
    choice: Choice
    rate: Fraction | None
    """Frames a second of an encoded reel; None: frames are copied."""


@dataclass(frozen=True)
class Assembled:
    """A finished, verified reel."""

    path: Path
    sha256: str
    duration: Fraction
    width: int
    height: int
    frames: int
    fps: float
    audio: bool
