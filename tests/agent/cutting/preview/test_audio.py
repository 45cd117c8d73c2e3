"""Audio that browsers don't play is AAC in windows, played when it is in the recording."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from agent.cutting.preview import Previews, Window
from agent.cutting.reading.source import open_path
from tests.agent.cutting.preview.recordings import MPEG2, changed
from tests.agent.cutting.preview.seen import seen
from tests.support.media import Recording, make, tick_times

SAME = 0.002
"""Seconds by which a tick may be off: codecs soften where it begins."""
_SAMPLE = Fraction(1, 48_000)
CODECS = {
    "AC-3": Recording("ts", gop=100, audio=("ac3",)),
    "E-AC-3": Recording("mp4", gop=100, audio=("eac3",)),
    "MP2": Recording("ts", gop=100, audio=("mp2",)),
    "MP3": Recording("mkv", gop=100, audio=("libmp3lame",)),
    "PCM": Recording("mov", gop=100, audio=("pcm_s16le",)),
    "encoded frames": MPEG2,
}


def ticks(windows: list[Window]) -> list[float]:
    """When each tick of windows that follow each other is played, in the recording's time."""
    found: list[float] = []
    for window in windows:
        with av.open(io.BytesIO(window.data)) as container:
            for frame in container.decode(audio=0):
                assert frame.pts is not None
                assert frame.time_base is not None
                start = float(frame.pts * frame.time_base + window.offset)
                for index in np.flatnonzero(np.abs(frame.to_ndarray()[0]) > 0.2):
                    at = start + float(index) / frame.sample_rate
                    if not found or at - found[-1] > 0.5:
                        found.append(at)
    return found


def audio_packets(window: Window) -> list[tuple[Fraction, Fraction]]:
    """When each audio packet begins and ends."""
    with av.open(io.BytesIO(window.data)) as container:
        return [
            (
                p.pts * p.time_base + window.offset,
                (p.pts + p.duration) * p.time_base + window.offset,
            )
            for p in container.demux(audio=0)
            if p.pts is not None and p.duration
        ]


def in_recording(path: Path) -> list[float]:
    """When each tick is played."""
    with av.open(str(path)) as container:
        starts = [float(s.start_time * s.time_base) for s in container.streams if s.start_time is not None]
        zero = 0.0 if container.format.name.startswith("mov,") else min(starts)
    return [at - zero for at in tick_times(path)]


@pytest.mark.parametrize("recording", CODECS.values(), ids=CODECS)
def test_ticks_are_where_they_are_in_the_recording(previews: Previews, recording: Recording) -> None:
    path = make(recording)
    with open_path(path) as source:
        described = previews.describe(source)
        windows = [previews.window(source, Fraction(5), Fraction(2))]
        while windows[-1].end < Fraction(119, 10):
            windows.append(previews.window(source, windows[-1].end, Fraction(2)))
        silent = previews.window(source, Fraction(5), Fraction(2), audio=False)
    assert described.audio == 1
    assert not described.streams[1].plays
    assert len(windows) > 1
    assert "mp4a" not in silent.mime
    for window in windows:
        assert "mp4a.40.2" in window.mime
        assert window.audio
    if described.playable == "copy":
        assert {window.kind for window in windows} == {"copy"}
        assert seen(windows[0]) == seen(silent)
    found, wanted = ticks(windows), [at for at in in_recording(path) if at > windows[0].start + SAME]
    assert len(found) in (len(wanted), len(wanted) + 1)  # the window may begin with one
    for tick in wanted:
        assert min(abs(tick - other) for other in found) < SAME, (tick, found)


def test_windows_that_follow_each_other_share_their_frames_of_audio(previews: Previews) -> None:
    with open_path(make(CODECS["AC-3"])) as source:
        first = previews.window(source, Fraction(1), Fraction(2))
        second = previews.window(source, first.end, Fraction(2))
    before, after = audio_packets(first), audio_packets(second)
    for packets in (before, after):
        assert all(one[1] == other[0] for one, other in pairwise(packets))
    assert before[0][0] <= first.start
    assert before[-1][1] >= first.end
    shared = [start for start, _ in before if start >= after[0][0] - _SAMPLE]
    assert shared
    assert all(min(abs(start - other) for other, _ in after) < _SAMPLE for start in shared)


def test_gaps_are_silent(previews: Previews, tmp_path: Path) -> None:
    data = bytearray(make(CODECS["AC-3"]).read_bytes())
    with av.open(str(make(CODECS["AC-3"]))) as container:
        lost = [p.pos for p in container.demux(audio=0) if p.pos is not None and 4 < p.pts * p.time_base < 8]
    packet = 188
    for at in range(lost[0], lost[-1], packet):
        if (data[at + 1] & 0x1F) << 8 | data[at + 2] == 0x101:
            data[at + 1 : at + 3] = b"\x1f\xff"  # a packet that holds nothing
    path = tmp_path / "gap.ts"
    path.write_bytes(data)
    with open_path(path) as source:
        window = previews.window(source, Fraction(1), Fraction(10))
    assert window.audio
    packets = audio_packets(window)
    assert all(one[1] == other[0] for one, other in pairwise(packets))
    assert packets[-1][1] >= window.end
    found = ticks([window])
    assert len(found) == 8
    assert all(abs(tick - round(tick)) < 0.05 for tick in found)


def test_audio_alone_is_encoded(previews: Previews) -> None:
    recording = Recording("wav", video=(), audio=("pcm_s16le",))
    with open_path(make(recording)) as source:
        window = previews.window(source, Fraction(3), Fraction(4))
    assert window.mime == 'audio/mp4; codecs="mp4a.40.2"'
    assert {4.0, 5.0, 6.0} <= {round(tick, 2) for tick in ticks([window])}


def test_a_last_packet_that_states_an_hour(previews: Previews, tmp_path: Path) -> None:
    path = tmp_path / "long.mkv"
    with av.open(str(make(CODECS["AC-3"]))) as container, av.open(str(path), "w") as file:
        target = file.add_stream_from_template(container.streams.audio[0])
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        packets[-1].duration = round(3600 / packets[-1].time_base)
        for packet in packets:
            packet.stream = target
            file.mux(packet)
        length = float((packets[-1].pts - packets[0].pts) * packets[-1].time_base)  # type: ignore[operator]
    with open_path(path) as source:
        window = previews.window(source, Fraction(int(length)), Fraction(4))
    assert length < window.end < length + 11
    assert len(window.data) < 100_000


def test_the_default_stream_is_played_and_of_equals_one_that_needs_no_encode(
    previews: Previews, tmp_path: Path
) -> None:
    two = Recording("mkv", audio=("ac3", "aac"))
    for number, default in enumerate(("0", "default"), start=1):
        path = changed(two, tmp_path, "-map", "0", "-disposition:a:0", "default", "-disposition:a:1", default)
        with open_path(path) as source:
            assert previews.describe(source).audio == number
