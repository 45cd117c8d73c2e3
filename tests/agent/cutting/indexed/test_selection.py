"""The samples of a clip, compared with an exhaustive search."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.indexed.index import load_index
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording as Indexed
from agent.cutting.indexed.selection import complete, entry, shown, window
from agent.cutting.indexed.tracks import tracks_of
from agent.cutting.reading.source import open_path
from tests.support.media import Recording, make
from tests.support.sample_tables import Samples

REACH = 30
"""Ticks, of a second each here, within which a keyframe must be found."""


@dataclass(frozen=True)
class Stream:
    """A video whose ticks are seconds; what `selection` reads of a `Recording`, without a file behind it."""

    samples: Samples
    clean: frozenset[int]
    """The keyframes that decoding can begin with."""
    shift: int = 0

    @property
    def video(self) -> Any:
        return SimpleNamespace(table=self.samples.table(), shift=self.shift, time_base=Fraction(1))

    def is_clean(self, sample: int) -> bool:
        return sample in self.clean

    @property
    def times(self) -> list[int]:
        return [at - self.shift for at in self.samples.shown]

    @property
    def keys(self) -> list[int]:
        assert self.samples.keys is not None
        return list(self.samples.keys)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Groups of up to 7 frames, reordered within; a keyframe at the beginning of some of them."""
    groups = draw(st.lists(st.integers(1, 7), min_size=1, max_size=12))
    gaps = draw(st.lists(st.integers(1, 4), min_size=sum(groups), max_size=sum(groups)))
    decoded = [sum(gaps[:n]) for n in range(len(gaps))]
    order: list[int] = []
    starts: list[int] = []
    for size in groups:
        starts.append(len(order))
        order += draw(st.permutations(range(len(order), len(order) + size)))
    times = [decoded[place] for place in order]
    # With signed shifts a frame may be decoded after it is shown, as in some QuickTime files.
    signed = draw(st.booleans())
    delay = max(a - b for a, b in zip(decoded, times, strict=True))
    if signed:
        delay = -draw(st.integers(0, 9))
    keys = sorted(draw(st.sets(st.sampled_from(starts))))
    clean = draw(st.sets(st.sampled_from(keys))) if keys else set()
    shifts = [b - a + delay for a, b in zip(decoded, times, strict=True)]
    samples = Samples(gaps, shifts=shifts, keys=keys, signed=signed)
    return Stream(samples, frozenset(clean), shift=delay - draw(st.integers(-60, 5)))


moments = st.integers(-10, 200)


def best_entry(stream: Stream, at: int) -> int | None:
    """The last clean keyframe shown at or before `at`, of those within reach."""
    decoded = stream.samples.decoded
    found = None
    for sample, time in enumerate(stream.times):
        in_reach = not any(later <= at + stream.shift - REACH for later in decoded[sample + 1 :])
        if sample in stream.keys and sample in stream.clean and time <= at and in_reach:
            found = sample
    return found


@settings(deadline=None)
@given(streams(), moments)
def test_a_clip_is_entered_at_the_last_clean_keyframe_within_reach(stream: Stream, at: int) -> None:
    expected = best_entry(stream, at)
    if expected is None:
        with pytest.raises(NotPlain, match="no clean keyframe"):
            entry(stream, at)
    else:
        assert entry(stream, at) == expected


@settings(deadline=None)
@given(streams(), moments, st.integers(1, 60))
def test_a_window_holds_every_frame_from_its_keyframe_to_the_end(
    stream: Stream, start: int, length: int
) -> None:
    stop = start + length
    expected = best_entry(stream, max(start, 0))
    if expected is None:
        with pytest.raises(NotPlain):
            window(stream, start, stop)
        return
    found = window(stream, start, stop)
    assert found.first == expected
    assert found.shown.tolist() == stream.times[found.first : found.last]
    assert found.last <= len(stream.times)
    assert all(time >= stop for time in stream.times[found.last :])


def test_two_frames_shown_at_one_time_are_left_to_libavformat() -> None:
    stream = Stream(Samples([1, 1, 1], shifts=[0, 1, 0], keys=[0]), frozenset({0}))
    with pytest.raises(NotPlain, match="at one time"):
        window(stream, 0, 3)


def test_an_edit_list_moves_what_is_searched() -> None:
    stream = Stream(Samples([1] * 120, keys=[0, 50, 100]), frozenset({0, 50, 100}), shift=60)
    assert entry(stream, 45) == 100


def test_a_range_that_begins_before_the_recording_begins_with_it() -> None:
    stream = Stream(Samples([1] * 20, keys=[0, 10]), frozenset({0, 10}))
    assert window(stream, -5, 10).first == 0


def test_a_window_ends_soon_after_the_clip() -> None:
    """However long the recording is: 34 frames are more than any encoder reorders by."""
    stream = Stream(Samples([1] * 500, keys=[0, 100, 200]), frozenset({0, 100, 200}))
    found = window(stream, 110, 120)
    assert (found.first, found.last) == (100, 155)


def test_a_keyframe_out_of_reach_is_not_entered() -> None:
    stream = Stream(Samples([1] * 120, keys=[0, 70]), frozenset({0, 70}))
    assert entry(stream, REACH) == 0
    with pytest.raises(NotPlain):
        entry(stream, REACH + 1)


@st.composite
def decoding_orders(draw: st.DrawFn) -> list[int]:
    order: list[int] = []
    for size in draw(st.lists(st.integers(1, 6), max_size=4)):
        order += draw(st.permutations(range(len(order), len(order) + size)))
    return order


def array(order: list[int]) -> Any:
    return np.array(order, np.int64)


@settings(deadline=None)
@given(decoding_orders().filter(bool), st.integers(0, 26))
def test_a_complete_clip_is_the_shortest_without_a_gap(order: list[int], more: int) -> None:
    stop = order[0] + 1 + more
    for count in range(1, len(order) + 1):
        limit = max([stop, *order[:count]])
        if all(later >= limit for later in order[count:]):
            break
    assert complete(array(order), stop) == count


OPEN_GOP = Recording(seconds=4, gop=10, audio=(), open_gop=True)
CLOSED_GOP = Recording(seconds=4, gop=10, audio=())


@pytest.mark.parametrize("recording", [CLOSED_GOP, OPEN_GOP], ids=["closed GOP", "open GOP"])
def test_decoding_a_real_recording_begins_at_idr_frames_only(recording: Recording) -> None:
    path = make(recording)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    marked = [n for n, packet in enumerate(packets) if packet.is_keyframe]
    clean = [n for n in marked if 5 in [unit[4] & 0x1F for unit in split(bytes(packets[n]))]]
    assert len(clean) == (10 if recording is CLOSED_GOP else 1)
    times = [packet.pts for packet in packets]
    with open_path(path) as source, Indexed(source, dict(enumerate(tracks_of(load_index(path))))) as indexed:
        assert shown(indexed, 0, len(times)).tolist() == times
        for at in range(0, max(t for t in times if t is not None) + 600, 256):
            assert entry(indexed, at) == max(n for n in clean if times[n] <= at)


def split(payload: bytes) -> list[bytes]:
    """NAL units with their length fields of 4 bytes."""
    found = []
    while payload:
        size = 4 + int.from_bytes(payload[:4], "big")
        found.append(payload[:size])
        payload = payload[size:]
    return found
