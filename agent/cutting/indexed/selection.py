"""Which samples lie around a range. Times in ticks of the video track, on the file's own time line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.formats.dts import WINDOW
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.plan.extent import REACH


@dataclass(frozen=True)
class Window:
    """Frames around a range, in decoding order."""

    first: int
    """The sample that it begins with: a clean keyframe."""
    shown: Ints

    @property
    def last(self) -> int:
        """Behind its last sample."""
        return self.first + len(self.shown)


def shown(recording: Recording, first: int, last: int) -> Ints:
    """When the samples from `first` up to `last` are shown."""
    return recording.video.table.shown(first, last) - recording.video.shift


def entry(recording: Recording, at: int) -> int:
    """The last clean keyframe that is shown at or before `at`. Raises `NotPlain`: others know what to do."""
    table, shift = recording.video.table, recording.video.shift
    latest = min(table.count, table.at(at + shift) + WINDOW)
    earliest = table.at(at + shift - int(REACH / recording.video.time_base))
    for sample in reversed(table.keys(earliest, latest).tolist()):
        if int(shown(recording, sample, sample + 1)[0]) <= at and recording.is_clean(sample):
            return int(sample)
    raise NotPlain("there is no clean keyframe near")


def window(recording: Recording, start: int, stop: int) -> Window:
    """From the keyframe at or before `start` to where every frame before `stop` has been decoded.

    Raises `NotPlain`.
    """
    table, shift = recording.video.table, recording.video.shift
    begin = entry(recording, max(start, 0))
    end = min(table.count, table.at(stop + shift) + 1 + WINDOW)
    times = shown(recording, begin, end)
    if len(np.unique(times)) != len(times):
        raise NotPlain("two frames are shown at one time")
    return Window(begin, times)


def over(recording: Recording, found: Window) -> int:
    """Where the last shown of these frames ends, if the recording ends with it."""
    # What the table calls a frame's length is the time to the next one that is decoded, which may be a tick.
    stated = int(recording.video.table.durations(found.last - 1, found.last)[0])
    gaps = np.diff(np.sort(found.shown))
    return int(found.shown.max()) + max(1, stated, int(np.median(gaps)) if len(gaps) else 0)


def complete(times: Ints, stop: int) -> int:
    """How many of these frames, in decoding order, hold every one before `stop`, and leave no gap.

    A frame from after the end that others need is shown: so are those between.
    """
    count, limit = 1, stop
    while True:
        earlier = np.flatnonzero(times < limit)
        needed = int(earlier[-1]) + 1 if len(earlier) else 1
        if needed <= count:
            return count
        count = needed
        limit = max(stop, int(times[:count].max()))
