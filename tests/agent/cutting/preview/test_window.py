"""A window holds the requested frames at their exact times, in every container and with every codec."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest

from agent.cutting.preview import Previews, PreviewSettings, Window
from agent.cutting.preview.proxy_encoder import encoder_of
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import open_path
from clipping.errors import InvalidRequest, RangeBeyondEnd, SourceCorrupt
from tests.agent.cutting.preview.recordings import (
    COPIED,
    ENCODED,
    LONG_GOP,
    MPEG2,
    ONLY_AUDIO,
    TS,
    changed,
    reference,
)
from tests.agent.cutting.preview.seen import frames, seen
from tests.support.media import Recording, make, number_of

_EXACT = Fraction(1, 10_000)
_POINTS = (Fraction(1, 20), Fraction(151, 30), Fraction(1171, 100))


def check(window: Window, path: Path, t: Fraction) -> None:
    """Whether the window shows exactly the recording's frames, among them the one at `t`."""
    frames = reference(path)
    wanted = {time: n for time, n in frames.items() if window.start - _EXACT < time < window.end - _EXACT}
    shown = seen(window)
    assert list(shown.values()) == list(wanted.values())
    assert all(abs(a - b) < _EXACT for a, b in zip(shown, wanted, strict=True))
    assert len(shown) == window.frames
    assert window.start <= max(time for time in frames if time <= t) + _EXACT
    assert t < window.end


@pytest.mark.parametrize("t", _POINTS)
@pytest.mark.parametrize("recording", COPIED.values(), ids=COPIED)
def test_packets_are_copied(previews: Previews, recording: Recording, t: Fraction) -> None:
    path = make(recording)
    with open_path(path) as source:
        window = previews.window(source, t, Fraction(3))
    check(window, path, t)
    assert window.kind == "copy"
    assert window.audio == bool(recording.audio)
    assert ("mp4a.40.2" in window.mime) == bool(recording.audio)
    assert window.end >= min(t + 3, Fraction(12)) - _EXACT


@pytest.mark.parametrize("t", _POINTS)
@pytest.mark.parametrize("recording", ENCODED.values(), ids=ENCODED)
def test_frames_are_encoded_at_their_own_times(previews: Previews, recording: Recording, t: Fraction) -> None:
    path = make(recording)
    with open_path(path) as source:
        window = previews.window(source, t, Fraction(3))
    check(window, path, t)
    assert window.kind == "proxy"
    assert 'codecs="avc1.' in window.mime
    assert window.last == (window.end > Fraction(119, 10))


@pytest.mark.parametrize(
    ("working", "chosen"),
    [
        ((), "libx264"),
        (("libx264",), "libx264"),
        (("libx264", "h264_qsv", "h264_nvenc"), "h264_nvenc"),
        (("h264_qsv", "libx264"), "h264_qsv"),
        (("h264_vaapi", "hevc_vaapi", "libx264"), "libx264"),
    ],
)
def test_a_gpu_encodes_where_one_works(working: tuple[str, ...], chosen: str) -> None:
    assert encoder_of(working) == chosen


def test_the_cpu_encodes_when_the_gpu_does_not(server: ForkServer) -> None:
    """Here none can: as where another program has taken all sessions."""
    previews = Previews(server, encoders=lambda: ("h264_nvenc", "libx264"))
    try:
        with open_path(make(MPEG2)) as source:
            for t in (Fraction(5), Fraction(9)):
                check(previews.window(source, t, Fraction(3)), make(MPEG2), t)
    finally:
        previews.close()


def test_a_browser_without_success_gets_encoded_frames(previews: Previews) -> None:
    path = make(COPIED["variable rate"])
    with open_path(path) as source:
        window = previews.window(source, Fraction(5), Fraction(3), encode=True)
    check(window, path, Fraction(5))
    assert window.kind == "proxy"
    assert window.audio


def test_each_frame_has_the_duration_for_which_it_is_shown(previews: Previews) -> None:
    path = make(COPIED["variable rate"])
    with open_path(path) as source:
        window = previews.window(source, Fraction(5), Fraction(2))
    with av.open(io.BytesIO(window.data)) as container:
        ends = {
            p.pts: p.pts + p.duration for p in container.demux(video=0) if p.pts is not None and p.duration
        }
    ordered = sorted(ends)
    assert [ends[at] for at in ordered[:-1]] == ordered[1:]


def test_parts_of_a_large_window_continue_each_other(server: ForkServer) -> None:
    path = make(LONG_GOP)
    previews = Previews(server, PreviewSettings(part_bytes=60_000, part_seconds=1))
    t, parts = Fraction(2), list[Window]()
    try:
        with open_path(path) as source:
            parts.append(previews.window(source, t, Fraction(7)))
            while (more := parts[-1].more) is not None:
                parts.append(previews.window(source, parts[-1].end, 9 - parts[-1].end, more=more))
    finally:
        previews.close()
    assert len(parts) > 2
    assert parts[0].end >= t + 1
    assert all(later.start == earlier.end for earlier, later in pairwise(parts))
    shown = [number for part in parts for number in _numbers_together(parts, part)]
    assert shown == list(range(len(shown)))
    assert parts[-1].end >= 9
    decoded = [_decoding(part) for part in parts]
    assert all(later[0] == earlier[1] for earlier, later in pairwise(decoded))


def _decoding(window: Window) -> tuple[Fraction, Fraction]:
    """When decoding the first packet begins, and where that of the last one ends."""
    with av.open(io.BytesIO(window.data)) as container:
        packets = [p for p in container.demux(video=0) if p.dts is not None]
        tick = packets[0].time_base
        end = packets[-1].dts + (packets[-1].duration or 0)
        return packets[0].dts * tick + window.offset, end * tick + window.offset


def _numbers_together(parts: list[Window], part: Window) -> list[int]:
    """The numbers of one part's frames, decoded behind those before."""
    decoder, numbers = None, list[int]()
    for each in parts[: parts.index(part) + 1]:
        with av.open(io.BytesIO(each.data)) as container:
            video = container.streams.video[0]
            if decoder is None:
                decoder = av.CodecContext.create("h264", "r")
                decoder.extradata = video.codec_context.extradata
            for packet in container.demux(video):
                if packet.size:
                    packet.pts = packet.dts = None
                    numbers += [number_of(f) for f in decoder.decode(packet)]
    numbers += [number_of(frame) for frame in decoder.decode(None)]  # type: ignore[union-attr]
    return numbers[-part.frames :]


def test_hidden_frames_lie_below_zero(previews: Previews, tmp_path: Path) -> None:
    path = changed(LONG_GOP, tmp_path, before=("-ss", "1.5"))
    with open_path(path) as source:
        described = previews.describe(source)
        window = previews.window(source, Fraction(0), Fraction(2))
    assert described.start < 0
    assert described.shift == -described.start
    shown = seen(window)
    assert window.start == described.start
    at_zero = max(time for time in shown if time <= Fraction(1, 1000))
    assert shown[at_zero] in (37, 38)  # 1.5 s of 25 frames a second


def test_rotated_frames_are_encoded_as_they_are_shown(previews: Previews, tmp_path: Path) -> None:
    path = changed(ENCODED["HEVC"], tmp_path, before=("-display_rotation", "90"))
    with open_path(path) as source:
        described = previews.describe(source)
        window = previews.window(source, Fraction(1), Fraction(2))
        still = previews.still(source, Fraction(1), 2000)
    assert (described.width, described.height, described.rotation) == (200, 320, 90)
    assert (still.width, still.height) == (200, 320)
    (_, frame), *_ = frames(window)
    assert (frame.width, frame.height) == (200, 320)


def test_audio_alone_is_copied(previews: Previews) -> None:
    with open_path(make(ONLY_AUDIO)) as source:
        window = previews.window(source, Fraction(3), Fraction(2))
        last = previews.window(source, Fraction(11), Fraction(9))
    assert window.mime == 'audio/mp4; codecs="mp4a.40.2"'
    assert window.start <= 3
    assert window.end >= 5 - Fraction(1, 20)
    assert not window.last
    assert last.last


def test_a_window_without_audio(previews: Previews) -> None:
    with open_path(make(TS)) as source:
        window = previews.window(source, Fraction(3), Fraction(2), audio=False)
    assert "mp4a" not in window.mime


@pytest.mark.parametrize("recording", [LONG_GOP, TS, MPEG2], ids=["MP4", "TS", "MPEG-2"])
def test_a_time_behind_the_end_is_an_error(previews: Previews, recording: Recording) -> None:
    with open_path(make(recording)) as source, pytest.raises(RangeBeyondEnd, match="ends"):
        previews.window(source, Fraction(125, 10), Fraction(2))


@pytest.mark.parametrize(
    ("t", "d", "more", "field"),
    [(-1, 2, None, "t"), (1, 0, None, "d"), (1, 61, None, "d"), (1, 2, "1.0.1.0", "more")],
)
def test_invalid_arguments(previews: Previews, t: int, d: int, more: str | None, field: str) -> None:
    with open_path(make(LONG_GOP)) as source, pytest.raises(InvalidRequest) as error:
        previews.window(source, Fraction(t), Fraction(d), more=more)
    assert error.value.field == field


def test_a_file_that_is_no_recording(previews: Previews, tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    path.write_bytes(os.urandom(100_000))
    with open_path(path) as source, pytest.raises(SourceCorrupt, match="damaged"):
        previews.window(source, Fraction(0), Fraction(2))


def test_a_recording_that_is_still_written(previews: Previews, tmp_path: Path) -> None:
    whole = make(TS).read_bytes()
    path = tmp_path / "growing.ts"
    path.write_bytes(whole[: len(whole) // 2])
    with open_path(path) as source:
        assert previews.describe(source).growing
        before = previews.window(source, Fraction(1), Fraction(20))
    with path.open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    with open_path(path) as source:
        after = previews.window(source, Fraction(9), Fraction(2))
    assert before.last
    assert before.end < 8
    check(after, make(TS), Fraction(9))


def test_a_window_ends_where_the_times_jump_back(previews: Previews, tmp_path: Path) -> None:
    path = tmp_path / "twice.ts"
    path.write_bytes(make(TS).read_bytes() * 2)
    with open_path(path) as source:
        window = previews.window(source, Fraction(11), Fraction(5))
        with pytest.raises(RangeBeyondEnd, match="ends at"):
            previews.window(source, Fraction(14), Fraction(2))
    check(window, make(TS), Fraction(11))
    assert not window.last


def test_a_window_of_too_many_bytes_is_encoded(server: ForkServer) -> None:
    previews = Previews(server, PreviewSettings(max_bytes=100_000))
    try:
        with open_path(make(LONG_GOP)) as source:
            window = previews.window(source, Fraction(9), Fraction(2))
    finally:
        previews.close()
    check(window, make(LONG_GOP), Fraction(9))
    assert window.kind == "proxy"


def test_damaged_packets_are_passed_over(previews: Previews, tmp_path: Path) -> None:
    data = bytearray(make(MPEG2).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20_000] = os.urandom(20_000)
    path = tmp_path / "damaged.ts"
    path.write_bytes(data)
    with open_path(path) as source:
        window = previews.window(source, Fraction(5), Fraction(3))
        whole = previews.window(source, Fraction(9), Fraction(3))
    assert 50 < window.frames <= 101
    check(whole, make(MPEG2), Fraction(9))
