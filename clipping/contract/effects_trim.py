"""Narrows a clip whose caller gives times of the untrimmed one: an existing export job's trim."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from clipping.contract.caption_file import trimmed_captions
from clipping.contract.effects import (
    SLACK,
    Captions,
    CropKeyframe,
    Effects,
    Framing,
    HighlightKeyframe,
    Region,
    SpeedSegment,
)
from clipping.errors import InvalidRequest

Keyframe = TypeVar("Keyframe", CropKeyframe, HighlightKeyframe)


@dataclass(frozen=True)
class Trim:
    """The part of a clip to keep, in seconds of the clip."""

    start: float
    end: float | None
    """None: the clip's end."""
    start_field: str
    """How the caller names it, for errors."""
    end_field: str

    def bounds(self, length: float) -> tuple[float, float]:
        """Start and end of the part, in a clip of `length` seconds. Raises `InvalidRequest`."""
        end = length if self.end is None else self.end
        if end > length + SLACK:
            raise InvalidRequest(
                f"{self.end_field} must be at most {length:g}, the length of the clip in seconds",
                field=self.end_field,
            )
        if self.start >= end:
            raise InvalidRequest(f"{self.start_field} must be less than {end:g}", field=self.start_field)
        return self.start, min(end, length)

    def of(self, effects: Effects, length: float) -> Effects:
        """The effects with times of the part, looking as they do in the whole clip. Raises `InvalidRequest`
        where that is not possible."""
        effects = effects.within(length)
        start, end = self.bounds(length)
        overlay = effects.overlay
        if overlay is not None:
            regions = tuple(_regions(overlay.regions, start))
            overlay = overlay.model_copy(update={"regions": regions}) if regions else None
        return Effects(
            framing=self._framing(effects.framing, start),
            segments=tuple(_segments(effects.segments, start, end)),
            overlay=overlay,
            title=effects.title,
            captions=_captions(effects.captions, start, end),
        )

    def _framing(self, framing: Framing | None, start: float) -> Framing | None:
        if framing is None or not start or len(framing.keyframes) == 1:
            return framing
        if any(each.time is None for each in framing.keyframes):
            raise InvalidRequest(
                f"{self.start_field} must be 0 with keyframes that have a frame: give their time instead",
                field=self.start_field,
            )
        keyframes = _from(framing.keyframes, start, _crop_between)
        # A spline depends on two keyframes before each time.
        if framing.interpolation == "spline" and len(keyframes) > 1 and _first(framing.keyframes) < start:
            raise InvalidRequest(
                f"{self.start_field} must not be after a keyframe of a spline: remove the keyframes "
                "before it, or set interpolation to linear",
                field=self.start_field,
            )
        return framing.model_copy(update={"keyframes": keyframes})


def _segments(segments: Sequence[SpeedSegment], start: float, end: float) -> Iterator[SpeedSegment]:
    for each in segments:
        first, last = max(each.start, start), min(each.end, end)
        if first < last:
            yield SpeedSegment(start=_less(first, start), end=_less(last, start), speed=each.speed)


def _regions(regions: Sequence[Region], start: float) -> Iterator[Region]:
    """Without those that draw nothing after `start`."""
    for each in regions:
        if each.end_time >= start and _last(each.keyframes) >= start:
            yield each.model_copy(
                update={
                    "start_time": _less(max(each.start_time, start), start),
                    "end_time": _less(each.end_time, start),
                    "keyframes": _from(each.keyframes, start, _highlight_between),
                }
            )


def _captions(captions: Captions | None, start: float, end: float) -> Captions | None:
    if captions is None:
        return None
    begin, stop = (round(at * 1000) for at in (start, end))
    text = trimmed_captions(captions.format, captions.text, begin, stop)
    return captions.model_copy(update={"text": text}) if text is not None else None


def _from(
    keyframes: Sequence[Keyframe], start: float, between: Callable[[Keyframe, Keyframe, float], Keyframe]
) -> tuple[Keyframe, ...]:
    """The keyframes with times from `start` on; those before it are replaced by one at `start`."""
    distinct: dict[float, Keyframe] = {}
    for each in keyframes:
        distinct.setdefault(_time(each), each)
    ordered = [distinct[time] for time in sorted(distinct)]
    before = [each for each in ordered if _time(each) < start]
    after: list[Keyframe] = [each for each in ordered if _time(each) >= start]
    if before and not after:
        after = before[-1:]
    elif before and _time(after[0]) > start:
        part = (start - _time(before[-1])) / (_time(after[0]) - _time(before[-1]))
        after.insert(0, between(before[-1], after[0], part).model_copy(update={"time": start}))
    return tuple(each.model_copy(update={"time": max(0.0, _less(_time(each), start))}) for each in after)


def _crop_between(a: CropKeyframe, b: CropKeyframe, part: float) -> CropKeyframe:
    values = {name: _mix(getattr(a, name), getattr(b, name), part) for name in ("x", "y", "width", "height")}
    return a.model_copy(update=values)


def _highlight_between(a: HighlightKeyframe, b: HighlightKeyframe, part: float) -> HighlightKeyframe:
    names = ("x", "y", "radius_x", "radius_y", "opacity")
    return a.model_copy(update={name: _mix(getattr(a, name), getattr(b, name), part) for name in names})


def _time(keyframe: CropKeyframe | HighlightKeyframe) -> float:
    return keyframe.time if keyframe.time is not None else 0.0


def _first(keyframes: Sequence[CropKeyframe | HighlightKeyframe]) -> float:
    return min(map(_time, keyframes))


def _last(keyframes: Sequence[CropKeyframe | HighlightKeyframe]) -> float:
    return max(map(_time, keyframes))


def _mix(a: float, b: float, part: float) -> float:
    return round(a + (b - a) * part, 9)


def _less(a: float, b: float) -> float:
    # Nanoseconds are far below a frame, and keep 0.3 - 0.1 from becoming 0.19999999999999998.
    return round(a - b, 9)
