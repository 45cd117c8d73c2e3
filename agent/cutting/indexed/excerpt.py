"""The samples of a recording around a range, for recordings whose index is missing or spread over the file.

They are read from the headers of clusters or fragments, beginning before the range; with them the recording
is cut as one with an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Protocol

import numpy as np

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.samples import Batch, joined
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.selection import entry
from agent.cutting.indexed.tracks import Trak
from agent.cutting.plan.extent import PATIENCE, REACH
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.smart import SETTLED
from agent.cutting.reading.seek import tick_from, tick_upto

_BEFORE = (Fraction(1), Fraction(8), REACH + 2)
"""Seconds before the range at which to begin, growing: the keyframe, and the audio that is played with it."""
_TRAILING = Fraction(10)
"""Seconds by which audio may lie behind its video in the file."""
_ENOUGH = WINDOW + SETTLED + 1
"""Frames shown behind the out-point: at least `WINDOW` of them are decoded behind it, too."""

Found = Mapping[int, Batch]
"""Samples by the index of their stream."""
Opening = Callable[[Mapping[int, Trak]], Recording]
"""Opens the recording with these tracks. Raises `NotPlain` and `OSError`."""


class Reader(Protocol):
    """Reads the samples of one file."""

    first: int
    """Where the first samples are described."""
    between: int
    """See `Recording.between`."""

    def near(self, time: Fraction) -> int:
        """A place before which no sample is described that is shown at `time` (seconds) or later."""

    def batches(self, begin: int, end: int | None = None) -> Iterator[Found]:
        """What is described from `begin` to `end`, both from `near`, or to the end. Raises `NotPlain`."""

    def tracks(self, found: Found) -> dict[int, Trak]:
        """The tracks, by the index of their stream. Raises `NotPlain`."""


def start(reader: Reader, opened: Opening) -> Fraction:
    """When the recording's first frame is shown, in seconds. Raises `NotPlain` and `OSError`."""
    found: list[Found] = []
    video = _video(reader.tracks({}))
    for batch in reader.batches(reader.first):
        found.append(batch)
        if sum(len(b[video].shown) for b in found if video in b) >= WINDOW:
            break
    with opened(reader.tracks(_merged(found))) as recording:
        return recording.start


def around(reader: Reader, plan: Plan, opened: Opening) -> Recording:
    """The recording with the samples that a clip needs. Raises `NotPlain` and `OSError`."""
    found: list[Found] = []
    begun: int | None = None
    for before in _BEFORE:
        begin = reader.near(plan.start - before)
        if begun is None:
            found = _upto(reader, plan, begin)
        elif begin < begun:
            found = [*reader.batches(begin, begun), *found]
        begun = begin
        recording = opened(reader.tracks(_merged(found)))
        if begin <= reader.first or _begins(recording, plan):
            return recording
        recording.close()
    raise NotPlain("there is no clean keyframe near")


def _video(tracks: Mapping[int, Trak]) -> int:
    video = [index for index, track in tracks.items() if track.kind == "video"]
    if len(video) != 1:
        raise NotPlain("it does not hold one video stream")
    return video[0]


def _upto(reader: Reader, plan: Plan, begin: int) -> list[Found]:
    """What is described from `begin` to where the clip is complete."""
    found: list[Found] = []
    end = _End(reader.tracks({}), plan)
    for batch in reader.batches(begin):
        found.append(batch)
        if end.reached(batch):
            break
    return found


class _End:
    """Whether a clip's samples are complete."""

    def __init__(self, tracks: Mapping[int, Trak], plan: Plan) -> None:
        """`tracks`: without samples."""
        self._video = _video(tracks)
        self._stops = {
            index: tick_from(plan.stop, tracks[index].time_base) + tracks[index].shift
            for index in (self._video, *(track.source.index for track in plan.tracks))
            if index in tracks
        }
        self._waiting = set(self._stops) - {self._video}
        self._far = {
            index: self._stops[index] + int(PATIENCE / tracks[index].time_base) for index in self._stops
        }
        self._trailing = self._stops[self._video] + int(_TRAILING / tracks[self._video].time_base)
        self._frames = 0

    def reached(self, batch: Found) -> bool:
        """Whether the clip is complete with this batch."""
        last = {index: int(batch[index].shown.max()) for index in self._stops if index in batch}
        self._waiting -= {index for index, shown in last.items() if shown >= self._stops[index]}
        if last.get(self._video, -1) >= self._stops[self._video]:
            self._frames += int(np.count_nonzero(batch[self._video].shown >= self._stops[self._video]))
        if self._frames < _ENOUGH:
            if any(shown > self._far[index] for index, shown in last.items()):
                raise NotPlain("its video stands still")
            return False
        return not self._waiting or last.get(self._video, 0) > self._trailing


def _begins(recording: Recording, plan: Plan) -> bool:
    """Whether a clip can begin with these samples."""
    tick = recording.video.time_base
    try:
        key = entry(recording, tick_upto(plan.start, tick))
    except NotPlain:
        return False
    shown = int(recording.video.table.shown(key, key + 1)[0]) - recording.video.shift
    return all(
        _plays(recording.tracks[track.source.index], shown * tick)
        for track in plan.tracks
        if track.source.index in recording.tracks
    )


def _plays(track: Trak, start: Fraction) -> bool:
    """Whether the sample that is played at `start` is there, and the one before it."""
    table = track.table
    if not table.count:
        return False
    first = int(table.decoded(0, 1)[0] + table.durations(0, 1)[0]) - track.shift
    return first * track.time_base <= start


def _merged(found: list[Found]) -> dict[int, Batch]:
    indexes = {index for batch in found for index in batch}
    return {index: joined([batch[index] for batch in found if index in batch]) for index in indexes}
