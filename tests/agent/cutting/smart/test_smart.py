"""A smart clip holds exactly the frames with in <= pts < out, most of them copied."""

from __future__ import annotations

import hashlib
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Clip, Engine, find_ffmpeg
from agent.cutting.formats.mp4 import top_level
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.writing.test_stream_copy import player_times
from tests.support.media import (
    Recording,
    audio_languages,
    make,
    number_of,
    numbers,
    shown_frames,
    tick_offsets,
)


def h264(*more: str) -> tuple[str, ...]:
    return ("-c:v", "libx264", "-preset", "veryfast", "-g", "50", *more)


def hevc(*, open_gop: int, name: str = "hvc1") -> tuple[str, ...]:
    parameters = f"keyint=50:min-keyint=50:bframes=3:log-level=none:open-gop={open_gop}"
    return ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", parameters, "-tag:v", name)


MPEG2 = ("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3")
TEN_BIT = "format=yuv420p10le"
RECORDINGS = {
    "h264": Recording(),
    "h264 in mkv": Recording("mkv"),
    "h264 in ts": Recording("ts"),
    "without B-frames": Recording(reordered=0),
    "open GOP": Recording("ts", open_gop=True),
    "B-pyramid": Recording(video=h264("-bf", "7", "-x264-params", "b-adapt=0:b-pyramid=normal")),
    "baseline": Recording(video=h264("-profile:v", "baseline")),
    "29.97": Recording(rate=Fraction(30000, 1001), gop=60),
    "29.97 in ts": Recording("ts", rate=Fraction(30000, 1001), gop=60),
    "interlaced": Recording("ts", video=h264("-flags", "+ildct", "-x264-params", "tff=1")),
    "bottom first": Recording(video=h264("-flags", "+ildct", "-x264-params", "bff=1")),
    "10 bit": Recording("mkv", video=h264(), filters=TEN_BIT),
    "hevc": Recording(video=hevc(open_gop=0)),
    "hevc, open GOP": Recording("mkv", video=hevc(open_gop=1, name="0")),
    "hevc in ts": Recording("ts", video=hevc(open_gop=1, name="0")),
    "hevc, 10 bit": Recording(video=hevc(open_gop=1), filters=TEN_BIT),
    "mpeg2": Recording("ts", video=MPEG2, audio=("mp2",)),
    "mpeg2, interlaced": Recording("ts", video=(*MPEG2, "-flags", "+ildct+ilme"), audio=("mp2",)),
}
RANGES = (("3.3", "7.1"), ("0", "2.5"), ("4", "6"), ("9.96", "12"), ("4.5", "5.1"), ("2.4", "2.44"))
"""Between frames, from the start, on keyframes, to the end, within one GOP, and a single frame."""


def in_range(times: dict[int, Fraction], start: str, end: str) -> list[int]:
    """The frames of a range; of one without any, the frame that is seen in it."""
    within = [n for n, at in times.items() if Fraction(start) <= at < Fraction(end)]
    return within or [max(n for n, at in times.items() if at < Fraction(start))]


def complaints(path: Path) -> str:
    """What a decoder as strict as a browser's has to say."""
    command = [str(find_ffmpeg(None)), "-v", "error", "-xerror", "-err_detect", "explode", "-i", str(path)]
    done = subprocess.run([*command, "-f", "null", "-"], capture_output=True, text=True, timeout=60)
    return done.stderr + ("" if done.returncode == 0 else f"exit code {done.returncode}")


def check(clip: Clip, times: dict[int, Fraction], wanted: list[int]) -> None:
    """Exactly these frames, each at its time, cleanly decodable."""
    shown = shown_frames(clip.path)
    assert [number for _, number in shown] == wanted
    assert shown[0][0] == 0
    drift = [abs(at - (times[n] - times[wanted[0]])) for at, n in shown]
    assert max(drift) <= Fraction(1, 900)
    assert complaints(clip.path) == ""
    assert clip.report.frames == len(wanted)
    assert clip.report.keyframe_lead_seconds == 0
    assert clip.report.actual.start == pytest.approx(float(times[wanted[0]]), abs=1e-5)


@pytest.mark.sampled(31, slow=5)
@pytest.mark.parametrize("kind", RECORDINGS)
@pytest.mark.parametrize(("start", "end"), RANGES)
def test_it_holds_exactly_the_frames_asked_for(
    cut: Cut, engine: Engine, kind: str, start: str, end: str
) -> None:
    source = make(RECORDINGS[kind])
    times = player_times(source, engine)
    clip = cut(source, start, end, "smart", "high")
    assert (clip.report.mode, clip.report.warnings) == ("smart", [])
    check(clip, times, in_range(times, start, end))


@pytest.mark.sampled(5, slow=4)
@pytest.mark.parametrize("kind", ["h264", "h264 in mkv", "h264 in ts", "29.97 in ts", "hevc", "mpeg2"])
@pytest.mark.parametrize("start", ["2", "2.3"])
def test_audio_stays_in_sync(cut: Cut, kind: str, start: str) -> None:
    recording = RECORDINGS[kind]
    clip = cut(make(recording), start, "6.6", "smart")
    offsets = tick_offsets(clip.path, recording.rate)
    assert len(offsets) >= 4
    assert max(abs(offset) for offset in offsets) < 0.003


def test_variable_rates_keep_every_frame_at_its_time(cut: Cut, engine: Engine) -> None:
    uneven = Recording("mkv", video=h264("-fps_mode", "vfr"), filters="select='mod(n\\,7)*mod(n\\,11)'")
    source = make(uneven)
    times = player_times(source, engine)
    for start, end in (("3.3", "7.1"), ("5.05", "5.6")):
        check(cut(source, start, end, "smart"), times, in_range(times, start, end))


def test_only_the_edges_are_encoded(cut: Cut) -> None:
    source = make(Recording())
    clip = cut(source, "3.4", "9", "smart")
    assert clip.report.encoder == "libx264"
    assert clip.report.video.codec == "h264"
    assert clip.report.reencoded_seconds < 0.6 + 0.2
    with av.open(str(source)) as container:
        original = {hashlib.sha256(bytes(p)).digest() for p in container.demux(video=0) if p.size}
    with av.open(str(clip.path)) as container:
        own = [hashlib.sha256(bytes(p)).digest() in original for p in container.demux(video=0) if p.size]
    assert sum(own) >= 120
    assert own.index(True) == 15  # 3.4 to the keyframe at 4


def test_from_keyframe_to_keyframe_nothing_is_encoded(cut: Cut) -> None:
    clip = cut(make(Recording()), "4", "8", "smart")
    assert (clip.report.encoder, clip.report.reencoded_seconds) == (None, 0)


def test_what_holds_keyframes_only_is_copied(cut: Cut, engine: Engine) -> None:
    studio = Recording("mov", seconds=8, video=("-c:v", "prores_ks", "-profile:v", "0"), audio=("pcm_s16le",))
    source = make(studio)
    times = player_times(source, engine)
    clip = cut(source, "3.3", "7.1", "smart")
    check(clip, times, in_range(times, "3.3", "7.1"))
    assert (clip.report.mode, clip.extension, clip.report.encoder) == ("smart", "mov", None)


def test_the_index_is_in_front(cut: Cut) -> None:
    clip = cut(make(Recording()), "3.3", "7.1", "smart")
    order = [box.type for box in top_level(clip.path)]
    assert order[0] == "ftyp"
    assert order.index("moov") < order.index("mdat")


def test_every_audio_track_is_kept_with_its_language(cut: Cut) -> None:
    recording = Recording("mkv", audio=("aac", "libmp3lame", "ac3", "pcm_s16le"))
    clip = cut(make(recording), "3.3", "8.1", "smart")
    assert [a.codec for a in clip.report.audio] == ["aac", "mp3", "aac", "aac"]
    assert audio_languages(clip.path) == ["eng", "deu", "fra", "spa"]
    for track in range(4):
        offsets = tick_offsets(clip.path, recording.rate, track)
        assert len(offsets) >= 5
        assert max(abs(offset) for offset in offsets) < 0.003


def test_a_codec_without_a_matching_encoder_is_encoded_in_full_with_a_warning(cut: Cut) -> None:
    recording = Recording(video=("-c:v", "mpeg4", "-g", "50", "-bf", "2", "-q:v", "3"))
    clip = cut(make(recording), "3.3", "7.1", "smart")
    assert clip.report.mode == "encode"
    assert "mpeg4" in clip.report.warnings[0]
    assert numbers(clip.path) == list(range(83, 178))


def test_without_a_clean_keyframe_in_reach_it_is_encoded_whole(cut: Cut) -> None:
    recording = Recording("ts", seconds=45, rate=Fraction(10), gop=20, open_gop=True, audio=())
    clip = cut(make(recording), "10.3", "42.1", "smart")
    assert clip.report.mode == "encode"
    assert "30 s after the start" in clip.report.warnings[0]
    assert len(numbers(clip.path)) == 318


def test_seeking_from_an_edge_into_copied_frames_shows_them_right(cut: Cut) -> None:
    for kind in ("h264", "hevc", "mpeg2"):
        clip = cut(make(RECORDINGS[kind]), "3.3", "9.1", "smart")
        in_turn = numbers(clip.path)
        with av.open(str(clip.path)) as container:
            frame_at = {}
            for second in (5, 0, 3):  # forth, back to the edge, and forth again
                container.seek(second * av.time_base)
                frame = next(container.decode(video=0))
                assert frame.pts is not None
                assert frame.time_base is not None
                frame_at[round(frame.pts * frame.time_base * 25)] = number_of(frame)
        assert frame_at == {position: in_turn[position] for position in frame_at}


def test_a_silent_clip_of_which_nothing_can_be_copied(cut: Cut) -> None:
    clip = cut(make(Recording(gop=500, audio=())), "4.5", "5.1", "smart")
    assert (clip.report.mode, clip.report.warnings) == ("smart", [])
    assert numbers(clip.path) == list(range(113, 128))


def test_frames_that_an_edit_list_hides_at_the_end_stay_hidden(cut: Cut, tmp_path: Path) -> None:
    source = tmp_path / "hiding.mp4"
    data = bytearray(make(Recording(audio=())).read_bytes())
    length = data.index(b"elst") + 12  # one edit, of 12 s in milliseconds
    assert int.from_bytes(data[length : length + 4], "big") == 12_000
    data[length : length + 4] = (12_000 - 2 * 40).to_bytes(4, "big")
    source.write_bytes(data)
    shown = numbers(source)
    assert shown[-1] == 297
    assert numbers(cut(source, "9.1", "11.98", "smart").path) == [n for n in shown if n >= 228]
