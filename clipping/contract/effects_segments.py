"""The forms in which existing export jobs give speeds and trims. Pure: see `effects_forms`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from clipping.contract.effect_values import MAX_SEGMENTS, seconds
from clipping.contract.effects_trim import Trim
from clipping.errors import InvalidRequest

_WORKER = ("trim_start", "trim_end", "segments")
"""The keys of the serverless worker."""
_EDITOR = ("boundaries", "segmentSpeeds", "trimRange")
"""The keys of the editor."""


@dataclass
class Segments:
    """What a job says about speeds and trim."""

    segments: Any
    """As `Effects` reads them; still unchecked."""
    trim: Trim | None = None
    names: dict[str, str] = field(default_factory=dict)
    """The caller's path for each of ours."""


def read_segments(path: str, given: Any) -> Segments:
    """From either form, which has `path` in the request. Raises `InvalidRequest`."""
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{path} must be an object", field=path)
    for name in given:
        if name not in (*_WORKER, *_EDITOR):
            raise InvalidRequest(f"{path}.{name} is not a known field", field=f"{path}.{name}")
    value = {name: one for name, one in given.items() if one is not None}
    workers, editors = ([name for name in names if name in value] for names in (_WORKER, _EDITOR))
    if workers and editors:
        named = f"{path}.{editors[0]}"
        raise InvalidRequest(f"{named} must not be given together with {path}.{workers[0]}", field=named)
    if editors:
        found = _between_boundaries(path, value)
        if "trimRange" in value:
            found.trim = read_trim_range(f"{path}.trimRange", value["trimRange"])
        return found
    names = {"effects.segments": f"{path}.segments"}
    return Segments(value.get("segments", []), _trim(path, value, "trim_start", "trim_end"), names)


def read_trim_range(path: str, given: Any) -> Trim | None:
    """From `{start, end}`. Raises `InvalidRequest`."""
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{path} must be an object with start and end, or null", field=path)
    return _trim(path, given, "start", "end")


def read_time(path: str, value: Any) -> float:
    """Seconds. Raises `InvalidRequest`."""
    try:
        return seconds(value)
    except ValueError as error:
        raise InvalidRequest(f"{path} {error}", field=path) from None


def _between_boundaries(path: str, value: Mapping[str, Any]) -> Segments:
    """The segments between an editor's boundaries, but for those without a speed."""
    given, speeds = value.get("boundaries", []), value.get("segmentSpeeds", {})
    if not isinstance(given, list) or len(given) > MAX_SEGMENTS + 1:
        named = f"{path}.boundaries"
        raise InvalidRequest(f"{named} must be a list of at most {MAX_SEGMENTS + 1} times", field=named)
    if not isinstance(speeds, Mapping):
        named = f"{path}.segmentSpeeds"
        raise InvalidRequest(f"{named} must be an object", field=named)
    spans = {str(number): span for number, span in enumerate(pairwise(_boundaries(path, given)))}
    for number in speeds:
        if number not in spans:
            named = f"{path}.segmentSpeeds.{number}"
            raise InvalidRequest(f"{named} is of no segment: there are {len(spans)}, from 0", field=named)
    found = Segments([], names={"effects.segments": path})
    for number, (start, end) in spans.items():
        speed = speeds.get(number)
        if speed is not None and start < end:
            ours = f"effects.segments[{len(found.segments)}]"
            found.names[f"{ours}.speed"] = f"{path}.segmentSpeeds.{number}"
            found.names[f"{ours}.end"] = f"{path}.boundaries[{int(number) + 1}]"
            found.segments.append({"start": start, "end": end, "speed": speed})
    return found


def _boundaries(path: str, given: list[Any]) -> list[float]:
    times = [read_time(f"{path}.boundaries[{number}]", one) for number, one in enumerate(given)]
    for number, (before, after) in enumerate(pairwise(times), 1):
        if after < before:
            named = f"{path}.boundaries[{number}]"
            raise InvalidRequest(f"{named} must be at least {before:g}, the boundary before it", field=named)
    return times


def _trim(path: str, given: Mapping[str, Any], start: str, end: str) -> Trim | None:
    first, last = given.get(start), given.get(end)
    if first is None and last is None:
        return None
    return Trim(
        0.0 if first is None else read_time(f"{path}.{start}", first),
        None if last is None else read_time(f"{path}.{end}", last),
        f"{path}.{start}",
        f"{path}.{end}",
    )
