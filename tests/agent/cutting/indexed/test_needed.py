"""What is planned for a cut is what the cut reads, and not much more."""

from __future__ import annotations

import struct
import tracemalloc
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.mp4 import AUDIO, VIDEO, Index
from agent.cutting.formats.spans import Spans, covers, length
from agent.cutting.indexed import needed as planning
from agent.cutting.indexed.index import load_index
from agent.cutting.indexed.needed import NEAR, WIDE, Margin, ends_before, needed
from agent.cutting.indexed.not_plain import NotPlain
from tests.support.media import Recording, make

SECONDS, GOP, RATE = 60, 50, 25
REORDERED = Fraction(1, 10)
"""Seconds by which a keyframe may be decoded before it is shown."""
RECORDING = Recording(seconds=SECONDS, gop=GOP, audio=("aac", "aac"))


@cache
def index_of(recording: Recording = RECORDING) -> bytes:
    return bytes(load_index(make(recording)))


def read_for(start: Fraction, stop: Fraction, margin: Margin = NEAR) -> Spans:
    return needed(index_of(), [(start, stop)], margin)


TIMES = st.fractions(0, SECONDS + 5, max_denominator=1000)


@settings(deadline=None, max_examples=30)
@given(TIMES, st.fractions(Fraction(1, 10), 20, max_denominator=1000), st.sampled_from([NEAR, WIDE]))
def test_every_sample_near_the_clip_is_there(start: Fraction, seconds: Fraction, margin: Margin) -> None:
    spans = read_for(start, start + seconds, margin)
    # All tracks from the keyframe on: a copy begins there.
    entry = max(0, (start - margin.before + REORDERED) // (GOP // RATE) * (GOP // RATE))
    for track in Index.of(index_of()).tracks:
        table = track.samples
        times = table.decoded(0, table.count) * float(track.tick)
        begin, upto = float(entry), float(start + seconds + margin.after)
        offsets, sizes = table.offsets(0, table.count), table.sizes(0, table.count)
        for sample in np.flatnonzero((times >= begin) & (times < upto)):
            assert covers(spans, int(offsets[sample]), int(offsets[sample] + sizes[sample]))


def test_the_plan_begins_with_a_keyframe() -> None:
    (video,) = [track for track in Index.of(index_of()).tracks if track.handler == VIDEO]
    offsets = video.samples.offsets(0, video.samples.count)
    spans = read_for(Fraction(41), Fraction(42))
    assert covers(spans, int(offsets[40 * RATE]), int(offsets[46 * RATE]))


def test_little_more_than_the_clip_is_read_behind_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "FIRST_BYTES", 1000)
    monkeypatch.setattr(planning, "GAP", 4096)
    size = make(RECORDING).stat().st_size
    near, wide = read_for(Fraction(40), Fraction(42)), read_for(Fraction(40), Fraction(42), WIDE)
    assert length(near) < size * (2 + 1 + 4 + 2 + 1) / SECONDS
    assert length(near) < length(wide) < size * (2 + 30 + 12 + 3) / SECONDS


def test_the_beginning_is_read_for_any_clip() -> None:
    assert all(covers(read_for(Fraction(50), Fraction(51)), *span) for span in needed(index_of(), [], NEAR))
    assert needed(index_of(), [], NEAR)[0][0] < 2000


def test_an_index_says_where_the_recording_ends() -> None:
    assert ends_before(index_of(), Fraction(SECONDS + 2))
    assert not ends_before(index_of(), Fraction(SECONDS - 1))
    assert not ends_before(b"damaged" * 10, Fraction(0))


@pytest.mark.parametrize(
    "recording",
    [
        Recording(video=("-movflags", "frag_keyframe+empty_moov")),
        Recording(video=(), extension="m4a"),
        Recording(audio=("pcm_s24le",), extension="mov"),
    ],
)
def test_what_has_no_index_of_a_video_is_refused(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(NotPlain):
        needed(bytes(load_index(make(recording))), [], NEAR)


@given(st.binary(max_size=300), st.integers(0, 2000), st.integers(0, 255))
@settings(deadline=None, max_examples=60)
def test_a_damaged_index_is_refused_or_planned(noise: bytes, at: int, byte: int) -> None:
    damaged = bytearray(index_of())
    damaged[at % len(damaged)] = byte
    for content in (noise, bytes(damaged)):
        try:
            needed(content, [(Fraction(1), Fraction(2))], NEAR)
        except NotPlain:
            pass


def test_audio_and_video_have_their_own_handlers() -> None:
    assert [track.handler for track in Index.of(index_of()).tracks] == [VIDEO, AUDIO, AUDIO]


def moov(*, size: int, count: int, chunks: int) -> bytes:
    """The index of a video of `count` samples of one size, in chunks of one size."""

    def box(kind: bytes, *contents: bytes) -> bytes:
        content = b"".join(contents)
        return struct.pack(">I4s", len(content) + 8, kind) + content

    def numbers(*of: int) -> bytes:
        return struct.pack(f">{len(of)}I", *of)

    tables = [
        box(b"stts", numbers(0, 1, count, 1)),
        box(b"stsz", numbers(0, size, count)),
        box(b"stsc", numbers(0, 1, 1, count // chunks, 1)),
        box(b"stco", numbers(0, chunks), bytes(4 * chunks)),
    ]
    header = numbers(0, 0, 0, 1 << 30, count)
    media = box(
        b"mdia",
        box(b"mdhd", header),
        box(b"hdlr", numbers(0, 0), b"vide"),
        box(b"minf", box(b"stbl", *tables)),
    )
    return box(b"mvhd", header) + box(b"trak", box(b"tkhd", numbers(0, 0, 0, 1, *[0] * 17)), media)


@pytest.mark.parametrize("count", [1 << 31, 1 << 23])
def test_an_index_of_a_few_bytes_takes_no_memory(count: int) -> None:
    index = moov(size=1, count=count, chunks=2)
    tracemalloc.start()
    try:
        with pytest.raises(NotPlain, match="index is too large"):
            needed(index, [(Fraction(1), Fraction(2))], NEAR)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_an_index_of_nothing_but_tracks_is_refused() -> None:
    with pytest.raises(NotPlain, match="more than 65536 others"):
        needed(b"\0\0\0\x08trak" * (1 << 17), [], NEAR)
