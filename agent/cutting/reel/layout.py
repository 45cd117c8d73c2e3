"""Decides how a reel is put together: its shape, what transitions change, where each part is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.formats.media import Chapter, MediaInfo, StreamInfo, VideoInfo
from agent.cutting.plan.shape import named_size, shown_size
from agent.cutting.plan.spec import CutSpec, PartSpec, ReelSpec
from clipping.contract.choices import Fit, Mode
from clipping.contract.output import Output
from clipping.errors import RangeBeyondEnd

_FASTEST, _SLOWEST, _USUAL = 120.0, 1.0, 25.0
"""Frames a second."""
_STANDARD = (23.976, 24.0, 25.0, 29.97, 30.0, 48.0, 50.0, 59.94, 60.0, 119.88, 120.0)
_NEAR = 0.005
"""A measured rate that differs by less than this share from a standard one is meant to be that."""
_JOINABLE = frozenset({"h264"})
"""Codecs whose streams can be joined without encoding: one header holds the parameter sets of all parts."""


@dataclass(frozen=True)
class Shape:
    """Of the frames of an encoded reel."""

    width: int
    height: int
    rate: float
    """Frames a second, as `Output.fps`."""

    @property
    def exact_rate(self) -> Fraction:
        """Frames a second."""
        rate = Output(fps=self.rate).rate
        assert rate is not None, "it is named"
        return rate


def shape_of(spec: ReelSpec, first: MediaInfo) -> Shape:
    """The shape that the request names; what it leaves open is that of the `first` part."""
    _, video = video_of(first)
    width, height = named_size(spec.output, spec.parts[0].effects) or shown_size(video, spec.output)
    rate = spec.output.fps
    if rate is None:
        own = float(video.rate) if video.rate else _USUAL
        rate = _tidy(min(_FASTEST, max(_SLOWEST, own)))
    return Shape(width, height, rate)


def _tidy(rate: float) -> float:
    near = min(_STANDARD, key=lambda standard: abs(standard - rate))
    return near if abs(near / rate - 1) < _NEAR else round(rate, 3)


def transition_frames(spec: ReelSpec, rate: Fraction) -> int:
    """How many frames of each of its two parts a transition changes."""
    if spec.transition == "cut":
        return 0
    length = spec.transition_seconds / 2 if spec.transition == "fade" else spec.transition_seconds
    return max(1, round(length * rate))


@dataclass(frozen=True)
class Edges:
    """How many frames at both ends of a part belong to transitions."""

    head: int
    tail: int


def edges_of(index: int, count: int, frames: int) -> Edges:
    """Of one of `count` parts, if a transition changes `frames` of each part."""
    return Edges(frames if index > 0 else 0, frames if index < count - 1 else 0)


def check_long_enough(frames: int, edges: Edges) -> None:
    """Raises `RangeBeyondEnd` when a part of `frames` frames is shorter than its transitions, as a recording
    may end early."""
    if frames < edges.head + edges.tail:
        raise RangeBeyondEnd(
            f"the recording has only {frames} frames there, and the transitions need "
            f"{edges.head + edges.tail}: choose another range, or a shorter transition.duration"
        )


def part_cut(
    part: PartSpec,
    mode: Mode,
    spec: ReelSpec,
    shape: Shape | None = None,
    keyframes: tuple[Fraction, ...] = (),
) -> CutSpec:
    """How a part is cut. `shape`: of an encoded one. Its audio is made separately."""
    output = Output(audio=False, container="mp4")
    refined = False
    if shape is not None:
        own = spec.output
        usual: Fit = "center_crop" if own.size is not None else "letterbox"
        # A framing says where the window of its part is.
        fit = None if part.effects.framing is not None else own.fit or usual
        given = {"width": shape.width, "height": shape.height, "fps": shape.rate, "fit": fit}
        output = output.model_copy(update={**given, "video_codec": own.video_codec})
        refined = own.aspect != "source" or any(one.effects.framing for one in spec.parts)
    return CutSpec(
        part.source,
        part.in_point,
        part.out_point,
        mode,
        spec.quality,
        output,
        part.effects,
        keyframes=keyframes,
        refined=refined,
    )


def keyframes_of(frames: int, edges: Edges, rate: Fraction) -> tuple[Fraction, ...]:
    """When an encoded part needs keyframes, in seconds: where it is separated from its transitions."""
    return tuple(at / rate for at in (edges.head, frames - edges.tail) if 0 < at < frames)


def why_not_copied(spec: ReelSpec, infos: Sequence[MediaInfo]) -> str | None:
    """Why the parts' frames can't be joined as they are; None if they perhaps can."""
    first, one = video_of(infos[0])
    if first.codec not in _JOINABLE:
        return f"{first.codec} can't be joined without encoding"
    for index, info in enumerate(infos):
        stream, other = video_of(info)
        for what, expected, found in (
            ("codec", first.codec, stream.codec),
            ("frame size", f"{one.width}x{one.height}", f"{other.width}x{other.height}"),
            ("pixel format", one.pix_fmt, other.pix_fmt),
            ("pixel aspect", one.sample_aspect, other.sample_aspect),
            ("rotation", one.rotation, other.rotation),
            ("unit of time", first.time_base, stream.time_base),
        ):
            if expected != found:
                return f"the {what} of clips[{index}] is {found}, that of clips[0] is {expected}"
    if spec.transition != "cut" and one.interlaced:
        return "transitions of interlaced video are encoded as a whole"
    return None


def video_of(info: MediaInfo) -> tuple[StreamInfo, VideoInfo]:
    """The video stream of a recording that has one."""
    stream = info.video_stream
    assert stream is not None, "it was probed for one"
    assert stream.video is not None
    return stream, stream.video


@dataclass(frozen=True)
class Span:
    """Where a part is in the reel, in seconds. A dissolve belongs to both parts."""

    start: Fraction
    end: Fraction


def spans_of(lengths: Sequence[Fraction], overlaps: Sequence[Fraction]) -> list[Span]:
    """Of parts of these `lengths`; `overlaps`: of each part with the next one. All in seconds."""
    spans: list[Span] = []
    for length, overlap in zip(lengths, [Fraction(0), *overlaps], strict=True):
        start = spans[-1].end - overlap if spans else Fraction(0)
        spans.append(Span(start, start + length))
    return spans


def requested_length(spec: ReelSpec) -> float:
    """How long the reel would be if its parts and transitions did not end between two frames, in seconds."""
    lengths = [part.effects.duration(float(part.out_point - part.in_point)) for part in spec.parts]
    overlap = float(spec.transition_seconds) if spec.transition == "dissolve" else 0.0
    return sum(lengths) - overlap * (len(lengths) - 1)


def chapters_of(parts: Sequence[PartSpec], spans: Sequence[Span]) -> tuple[Chapter, ...]:
    """A chapter for each part, until the next one begins."""
    ends = [span.start for span in spans[1:]] + [spans[-1].end]
    return tuple(
        Chapter(span.start, end, part.title) for part, span, end in zip(parts, spans, ends, strict=True)
    )
