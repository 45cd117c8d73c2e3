"""What a recording is said to hold, where its keyframes are, and its waveform."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from agent.cutting.preview import Playable, Previews
from agent.cutting.reading.source import open_path
from clipping.errors import InvalidRequest
from tests.agent.cutting.preview.recordings import (
    COPIED,
    ENCODED,
    FRAGMENTED,
    HEVC,
    LONG_GOP,
    MKV,
    ONLY_AUDIO,
    SILENT,
    TS,
    changed,
    reference,
)
from tests.support.media import Recording, make


@pytest.mark.parametrize(
    ("recording", "playable", "names"),
    [
        (LONG_GOP, "copy", ["avc1.4d400d", "mp4a.40.2"]),
        (TS, "copy", ["avc1.4d400d", "mp4a.40.2"]),
        (HEVC, "proxy", ["hvc1.1.6.L60.90", "mp4a.40.2"]),
        (ENCODED["MPEG-2"], "proxy", [None, None]),
        (ONLY_AUDIO, "audio", ["mp4a.40.2"]),
        (SILENT, "copy", ["avc1.4d400d"]),
        (Recording("mkv", audio=("flac", "libopus")), "copy", ["avc1.4d400d", "flac", "opus"]),
        (Recording("mkv", video=("-c:v", "ffv1"), seconds=1, audio=("pcm_s16le",)), "proxy", [None, None]),
        (Recording("wav", video=(), seconds=1, audio=("pcm_s16le",)), "audio", [None]),
    ],
)
def test_codecs_and_how_they_play(
    previews: Previews, recording: Recording, playable: Playable, names: list[str | None]
) -> None:
    with open_path(make(recording)) as source:
        described = previews.describe(source)
    assert described.playable == playable
    assert [stream.mse for stream in described.streams] == names
    assert (described.reason is None) == (playable in ("copy", "audio", "none"))
    assert described.size == make(recording).stat().st_size


def test_the_rest_of_a_description(previews: Previews, tmp_path: Path) -> None:
    path = changed(
        LONG_GOP,
        tmp_path,
        *("-timecode", "10:00:00:00", "-metadata:s:a:0", "title=left", "-metadata:s:a:0", "language=deu"),
        *("-metadata", "creation_time=2026-03-01T10:00:00Z"),
    )
    os.utime(path, (1e9, 1e9))
    with open_path(path) as source:
        described = previews.describe(source)
    assert (described.width, described.height, described.fps) == (320, 200, 25)
    assert (described.duration, described.start, described.shift) == (12, 0, 0)
    assert described.timecode == "10:00:00:00"
    assert described.recorded is not None
    assert described.recorded.isoformat() == "2026-03-01T10:00:00+00:00"
    assert (described.video, described.audio, described.rotation) == (0, 1, 0)
    assert described.streams[1].language == "deu"
    assert not described.growing


_KEYED = COPIED | ENCODED


@pytest.mark.parametrize("recording", _KEYED.values(), ids=_KEYED)
def test_keyframes_of_a_range(previews: Previews, recording: Recording) -> None:
    path = make(recording)
    frames = reference(path)
    with open_path(path) as source:
        whole = previews.keyframes(source, Fraction(0), Fraction(12))
        part = previews.keyframes(source, Fraction(3), Fraction(9))
    assert whole.times
    assert all(min(abs(time - shown) for shown in frames) < Fraction(1, 1000) for time in whole.times)
    assert part.times == tuple(time for time in whole.times if 3 <= time < 9)
    assert part.end == 9


@pytest.mark.parametrize(
    ("recording", "gop"), [(LONG_GOP, 250), (TS, 100), (MKV, 100), (FRAGMENTED, 100), (HEVC, 100)]
)
def test_all_keyframes_are_found(previews: Previews, recording: Recording, gop: int) -> None:
    path = make(recording)
    numbers = {round(float(time), 3): number for time, number in reference(path).items()}
    with open_path(path) as source:
        found = previews.keyframes(source, Fraction(0), Fraction(12)).times
    assert [numbers[round(float(time), 3)] for time in found] == list(range(0, 300, gop))


@pytest.mark.parametrize("recording", [LONG_GOP, TS, ENCODED["MPEG-2"], ONLY_AUDIO])
def test_peaks_are_where_the_ticks_are(previews: Previews, recording: Recording) -> None:
    with open_path(make(recording)) as source:
        peaks = previews.peaks(source, Fraction(2), Fraction(8), 60)
    pairs = np.frombuffer(peaks.data, np.int8).reshape(-1, 2).astype(int)
    assert len(pairs) == 60
    loud = pairs[:, 1] - pairs[:, 0] > 60
    # Of each second the first tenth, or where a codec's delay moves the tick, the one beside it.
    for second in range(6):
        around = [n for n in (second * 10 - 1, second * 10) if n >= 0]
        assert loud[around].any() or second == 0
        assert not loud[second * 10 + 2 : second * 10 + 8].any()


def test_peaks_of_planes_for_each_of_eight_channels(previews: Previews) -> None:
    recording = Recording("mkv", seconds=2, video=("-c:v", "mpeg4", "-ac", "8"), audio=("pcm_s16le",))
    with open_path(make(recording)) as source:
        data = previews.peaks(source, Fraction(0), Fraction(2), 20).data
    assert max(np.frombuffer(data, np.int8)) > 30


def test_peaks_need_audio_and_a_range(previews: Previews) -> None:
    with open_path(make(SILENT)) as source, pytest.raises(InvalidRequest, match="no audio"):
        previews.peaks(source, Fraction(0), Fraction(5), 10)
    with open_path(make(LONG_GOP)) as source, pytest.raises(InvalidRequest) as error:
        previews.peaks(source, Fraction(5), Fraction(5), 10)
    assert error.value.field == "to"
