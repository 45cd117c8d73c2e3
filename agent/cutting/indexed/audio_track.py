"""The audio of a clip by index: whole samples, as they are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.indexed.moov import Part
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.tracks import Trak
from agent.cutting.plan.extent import LONGEST_USUAL, clamped_end
from agent.cutting.plan.outcome import AudioTrack
from agent.cutting.plan.plan import Plan, Track
from agent.cutting.reading.seek import tick_from, tick_upto


def audio_samples(track: Trak, plan: Plan, start: Fraction) -> tuple[int, int]:
    """The first audio sample of the clip, and behind the last: with the one before that decoders need."""
    begin, stop = tick_upto(start, track.time_base), tick_from(plan.stop, track.time_base)
    table = track.table
    first = table.at(begin + track.shift)
    shown = table.decoded(first, min(first + 1, table.count)) - track.shift
    if int(shown[0]) >= stop:
        return 0, 0
    last = table.at(stop + track.shift - 1) + 1
    over = int(table.decoded(last - 1, last)[0] + table.durations(last - 1, last)[0]) - track.shift
    if over <= begin:
        return 0, 0
    return max(0, first - 1), last


def audio_part(
    track: Trak, samples: tuple[int, int], sizes: Ints, places: Ints, start: Fraction, stop: Fraction
) -> Part:
    """These samples as a track of the clip from `start` to `stop`. Raises `NotPlain`."""
    decoding = track.table.decoded(*samples)
    durations = track.table.durations(*samples)
    if np.any(durations[:-1] <= 0):
        raise NotPlain("two of its audio samples are played at one time")
    begin = tick_upto(start, track.time_base) + track.shift
    last = int(decoding[-1])
    # Where a track pauses, the table gives the last sample the length of the pause.
    end = clamped_end(
        last,
        last + int(durations[-1]),
        tick_from(stop, track.time_base) + track.shift,
        int(LONGEST_USUAL / track.time_base),
    )
    return Part(
        source=track,
        description=track.description,
        sizes=sizes,
        places=places,
        decoded=decoding - decoding[0],
        shown=decoding - decoding[0],
        last_duration=end - last,
        start=begin - int(decoding[0]),
        keys=None,
    )


def written_track(track: Track, part: Part) -> AudioTrack:
    """A track of the clip, as it is reported."""
    tick = part.source.time_base
    end = int(part.shown[-1]) + part.last_duration - part.start
    return AudioTrack(track.codec, track.source.language, -part.start * tick, end * tick)
