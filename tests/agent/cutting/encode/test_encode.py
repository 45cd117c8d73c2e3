"""An encoded clip holds exactly the frames with in <= pts < out."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from agent.cutting import CutSpec, Engine, EngineSettings
from agent.cutting.formats.mp4 import top_level
from clipping.contract.choices import Mode
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.writing.test_stream_copy import player_times
from tests.support.media import Recording, audio_languages, make, numbers, shown_frames, tick_offsets

RECORDINGS = {
    "mp4": Recording(),
    "mkv": Recording("mkv"),
    "ts": Recording("ts"),
    "ntsc": Recording(rate=Fraction(30000, 1001), gop=250),
    "open GOP": Recording("ts", open_gop=True),
    "mpeg2": Recording("ts", video=("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3")),
    "mpeg4 in avi": Recording("avi", video=("-c:v", "mpeg4", "-q:v", "3"), audio=("libmp3lame",)),
}


@pytest.mark.sampled(9, slow=5)
@pytest.mark.parametrize("kind", RECORDINGS)
@pytest.mark.parametrize(("start", "end"), [("3.3", "5.1"), ("4.01", "4.02"), ("0", "1"), ("10.5", "12")])
def test_it_holds_exactly_the_frames_asked_for(
    cut: Cut, engine: Engine, kind: str, start: str, end: str
) -> None:
    source = make(RECORDINGS[kind])
    times = player_times(source, engine)
    wanted = [n for n, at in times.items() if Fraction(start) <= at < Fraction(end)]
    if not wanted:  # shorter than a frame: the frame that is shown at that moment
        wanted = [max(n for n, at in times.items() if at < Fraction(start))]
    clip = cut(source, start, end, "encode")
    assert numbers(clip.path) == wanted
    assert clip.report.frames == len(wanted)
    assert clip.report.actual.start == pytest.approx(float(times[wanted[0]]), abs=1e-5)


@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_audio_stays_in_sync(cut: Cut, kind: str) -> None:
    recording = RECORDINGS[kind]
    clip = cut(make(recording), "2.3", "6.6", "encode")
    offsets = tick_offsets(clip.path, recording.rate)
    assert len(offsets) == 4
    assert max(abs(offset) for offset in offsets) < 0.002


@pytest.mark.parametrize(("mode", "codec"), [("encode", "aac"), ("smart", "pcm_s16le")])
def test_lost_audio_packets_do_not_move_what_follows(
    cut: Cut, tmp_path: Path, mode: Mode, codec: str
) -> None:
    whole, lossy = make(Recording("mkv", audio=(codec,))), tmp_path / "lossy.mkv"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(whole), "-map", "0", "-c", "copy"]
    lost = "noise=drop='eq(n\\,130)+eq(n\\,170)+eq(n\\,230)'"  # each 21 ms, at 2.8, 3.6 and 4.9 s
    subprocess.run([*command, "-bsf:a", lost, str(lossy)], check=True, timeout=60)
    clip = cut(lossy, "2.3", "6.6", mode)
    assert clip.report.mode == mode
    offsets = tick_offsets(clip.path, Fraction(25))
    assert len(offsets) == 4
    assert max(abs(offset) for offset in offsets) < 0.016


def test_it_plays_everywhere(cut: Cut) -> None:
    source = make(Recording("mkv", audio=("ac3", "pcm_s16le")))
    clip = cut(source, "2.3", "4.6", "encode", "high")
    with av.open(str(clip.path)) as container:
        video = container.streams.video[0].codec_context
        assert (video.name, video.pix_fmt, int(video.colorspace)) == ("h264", "yuv420p", 1)
        assert [s.codec_context.name for s in container.streams.audio] == ["aac", "aac"]
    order = [box.type for box in top_level(clip.path)]
    assert order.index("moov") < order.index("mdat")
    assert audio_languages(clip.path) == ["eng", "deu"]
    assert shown_frames(clip.path)[0][0] == 0
    assert (clip.report.mode, clip.report.encoder) == ("encode", "libx264")
    assert clip.report.reencoded_seconds == pytest.approx(2.28, abs=0.05)


def test_medium_quality_is_smaller_than_high(cut: Cut) -> None:
    sizes = [cut(make(), "2", "5", "encode", quality).size for quality in ("high", "medium")]
    assert sizes[1] < 0.8 * sizes[0]


def test_odd_sizes_and_oblong_pixels_become_even_and_square(cut: Cut) -> None:
    odd = Recording("mkv", video=("-c:v", "ffv1"), filters="scale=321:201,setsar=4/3,format=yuv444p")
    clip = cut(make(odd), "2", "3", "encode")
    with av.open(str(clip.path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == (428, 200)
        assert video.sample_aspect_ratio in (None, 0, 1)


def test_a_turned_frame_is_encoded_upright(cut: Cut, engine: Engine) -> None:
    source = make(Recording())
    turned = source.with_name("turned.mp4")
    with av.open(str(source)) as original, av.open(str(turned), "w") as copy:
        video = copy.add_stream_from_template(original.streams.video[0], opaque=True)
        video.set_display_rotation(90)
        for packet in original.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                copy.mux_one(packet)
    info = engine.probe(turned)
    assert info.video_stream is not None
    assert info.video_stream.video is not None
    assert info.video_stream.video.rotation == 90
    clip = cut(turned, "2", "3", "encode")
    assert (clip.report.video.width, clip.report.video.height) == (200, 320)


def test_the_bundled_ffmpeg_understands_the_same_arguments(tmp_path: Path) -> None:
    bundled = Path(imageio_ffmpeg.get_ffmpeg_exe())
    engine = Engine(EngineSettings(ffmpeg=bundled))
    engine.start()
    try:
        spec = CutSpec(make(Recording("ts")), Fraction("3.3"), Fraction("4.3"), "encode", "high")
        clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
    finally:
        engine.close()
    assert len(numbers(clip.path)) == clip.report.frames == 25


def test_audio_keeps_its_samples_with_video_of_coarse_times(cut: Cut) -> None:
    coarse = make(Recording("avi", video=("-c:v", "mpeg4", "-q:v", "3"), audio=("libmp3lame",)))
    clip = cut(coarse, "2.3", "6.6", "encode")
    with av.open(str(clip.path)) as container:
        times = [p.pts for p in container.demux(audio=0) if p.pts is not None]
    assert {later - earlier for earlier, later in pairwise(times)} == {1024}
