"""An encoded clip has the requested shape, rate, codec, size and container: measured in its pixels."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from clipping.contract.choices import Mode, Quality
from clipping.contract.output import Output
from clipping.errors import OutputTooLarge
from tests.support.media import Recording, audio_languages, make, numbers, tick_offsets

MakeClip = Callable[..., Clip]
BUNDLED = Path(imageio_ffmpeg.get_ffmpeg_exe())
PROGRAMS = ("found", "bundled")


def in_turn(*cases: tuple[Any, ...]) -> Callable[[Any], Any]:
    """Cases for the parameters of a test behind `either`, which gets the one and the other engine in turn."""

    def decorate(function: Any) -> Any:
        names = [
            name for name in inspect.signature(function).parameters if name not in ("either", "tmp_path")
        ]
        turns = [(PROGRAMS[number % 2], *case) for number, case in enumerate(cases)]
        return pytest.mark.parametrize(("either", *names), turns, indirect=["either"])(function)

    return decorate


@pytest.fixture(scope="module", params=PROGRAMS)
def either(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with the ffmpeg that is found, and one with the newer one that comes with a package."""
    engine = Engine(EngineSettings(ffmpeg=BUNDLED if request.param == "bundled" else None))
    engine.start()
    yield engine
    engine.close()


def clip_of(
    engine: Engine,
    folder: Path,
    source: Path,
    start: str = "1",
    end: str = "1.4",
    mode: Mode = "encode",
    quality: Quality = "medium",
    **output: Any,
) -> Clip:
    spec = CutSpec(source, Fraction(start), Fraction(end), mode, quality, Output(**output))
    return engine.cut(spec, folder, progress=lambda *_: None)


def first_luma(path: Path) -> np.ndarray:
    """Luma of the first frame, rows by columns."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == "yuv420p"
        return frame.to_ndarray()[: frame.height, : frame.width].astype(int)


@cache
def ramp(width: int, height: int, aspect: str = "1") -> Path:
    """A frame whose luma encodes the position: it grows by the column on even rows of 32, by the row on
    odd ones; with the sample aspect `aspect`."""
    path = make(Recording(seconds=1)).with_name(f"ramp-{width}-{height}-{aspect.replace('/', '_')}.mkv")
    # geq cuts off what is behind the point: half a step more rounds.
    luma = f"16.5+219*if(mod(floor(Y/32),2),(Y+0.5)/{height},(X+0.5)/{width})"
    frame = f"color=size={width}x{height}:rate=25,trim=end_frame=1,geq=lum='{luma}':cb=128:cr=128"
    source = f"{frame},loop=loop=-1:size=1,setpts=N/25/TB,setsar={aspect}"
    command = [
        str(find_ffmpeg(None)),
        "-v",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "lavfi",
        "-i",
        source,
        "-t",
        "2",
    ]
    subprocess.run(
        [*command, "-pix_fmt", "yuv420p", "-c:v", "ffv1", str(path)],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    return path


def columns_shown(luma: np.ndarray, rows: slice, width: int) -> tuple[float, float]:
    """Which column of a ramp is at the left and at the right edge of these rows."""
    row = np.median(luma[rows], axis=0)
    inner = np.arange(8, len(row) - 8)
    slope, first = np.polyfit(inner, row[8:-8], 1)
    scale = width / 219
    return (first - slope / 2 - 16) * scale, (first + slope * (len(row) - 0.5) - 16) * scale


@pytest.mark.sampled(5, slow=3)
@in_turn(
    ((640, 360), {"aspect": "9:16", "width": 360}, (360, 640)),
    ((640, 360), {"aspect": "9:16", "height": 320}, (180, 320)),
    ((640, 360), {"aspect": "1:1", "width": 200}, (200, 200)),
    ((640, 360), {"aspect": "4:5", "width": 240}, (240, 300)),
    ((270, 480), {"aspect": "16:9", "width": 320}, (320, 180)),
    ((720, 405), {"aspect": "9:16", "width": 180}, (180, 320)),
    ((640, 360), {"width": 100, "height": 300}, (100, 300)),
)
def test_the_largest_centred_window_is_cut_out(
    either: Engine, tmp_path: Path, size: tuple[int, int], asked: dict[str, Any], exact: tuple[int, int]
) -> None:
    width, height = size
    clip = clip_of(either, tmp_path, ramp(width, height), **asked)
    luma = first_luma(clip.path)
    assert luma.shape == (exact[1], exact[0])
    assert (clip.report.video.width, clip.report.video.height) == exact
    window = min(width, height * exact[0] / exact[1])
    tall = min(height, width * exact[1] / exact[0])
    # Some rows that show columns, in the middle of the frame.
    band = next(n for n in range(height // 2 // 32, height // 32) if n % 2 == 0)
    middle = ((band + 0.5) * 32 - (height - tall) / 2) / tall * exact[1]
    rows = slice(int(middle) - 2, int(middle) + 2)
    left, right = columns_shown(luma, rows, width)
    assert left == pytest.approx((width - window) / 2, abs=2.5)
    assert right == pytest.approx((width + window) / 2, abs=2.5)


def test_the_height_of_a_narrower_frame_is_cut(engine: Engine, tmp_path: Path) -> None:
    luma = first_luma(clip_of(engine, tmp_path, ramp(270, 480), aspect="16:9", width=320).path)
    tall = 270 * 9 / 16
    for y in range(4, 176):
        at = (480 - tall) / 2 + (y + 0.5) / 180 * tall
        if int(at // 32) % 2 == 1 and 4 < at % 32 < 28:
            assert np.median(luma[y]) == pytest.approx(16 + 219 * at / 480, abs=2), y


@pytest.mark.sampled(3, slow=2)
@in_turn(
    ((640, 360), "1", {"aspect": "9:16", "width": 180}, (0, 109, 180, 102)),
    ((640, 360), "1", {"aspect": "1:1", "width": 320}, (0, 70, 320, 180)),
    ((270, 480), "1", {"aspect": "16:9", "width": 640}, (218, 0, 202, 360)),
    ((720, 405), "1", {"aspect": "4:5", "width": 240}, (0, 82, 240, 136)),
    ((320, 480), "2/1", {"aspect": "1:1", "width": 240}, (0, 30, 240, 180)),
)
def test_a_letterbox_shows_all_of_it_between_black_bars(
    either: Engine,
    tmp_path: Path,
    size: tuple[int, int],
    sample_aspect: str,
    asked: dict[str, Any],
    box: tuple[int, int, int, int],
) -> None:
    clip = clip_of(either, tmp_path, ramp(*size, sample_aspect), quality="high", fit="letterbox", **asked)
    luma = first_luma(clip.path)
    x, y, wide, high = box
    outside = np.ones(luma.shape, dtype=bool)
    outside[max(0, y - 2) : y + high + 2, max(0, x - 2) : x + wide + 2] = False
    assert outside.any()
    assert luma[outside].max() <= 20
    inside = luma[y + 3 : y + high - 3, x + wide // 2 : x + wide - 3]
    assert inside.min() > 24 or np.median(inside) > 60
    band = slice(2, 32 * high // size[1] - 2)
    left, right = columns_shown(luma[y : y + high, x : x + wide], band, size[0])
    assert (left, right) == pytest.approx((0, size[0]), abs=size[0] / 60)


def test_a_blurred_background_fills_the_frame(either: Engine, tmp_path: Path) -> None:
    clip = clip_of(either, tmp_path, make(), quality="high", aspect="9:16", width=180, fit="blur")
    luma = first_luma(clip.path)
    assert luma.shape == (320, 180)
    whole = slice(104, 216)  # 320x200 in 180 columns are 112 rows
    assert np.abs(np.diff(luma[whole], axis=1)).mean() > 3 * np.abs(np.diff(luma[:100], axis=1)).mean()
    assert luma[:100].mean() > 40
    assert numbers_between(clip.path, whole) == list(range(25, 35))


def numbers_between(path: Path, rows: slice) -> list[int]:
    """The frames' numbers, read from a part of the frame."""
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            part = frame.to_ndarray()[rows, : frame.width]
            strip = part[part.shape[0] * 19 // 20]
            block = frame.width / 16
            bits = [strip[int((n + 0.3) * block) : int((n + 0.7) * block)].mean() > 126 for n in range(16)]
            found.append(sum(1 << n for n, bit in enumerate(bits) if bit))
    return found


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"width": 160}, (160, 100)),
        ({"height": 404}, (646, 404)),
        ({"width": 322, "height": 100, "fit": "letterbox"}, (322, 100)),
        ({"aspect": "16:9", "width": 320, "fit": "letterbox"}, (320, 180)),
    ],
)
def test_sizes_are_exact_and_pixels_square(
    cut_output: MakeClip, asked: dict[str, Any], size: tuple[int, int]
) -> None:
    clip = cut_output(make(), **asked)
    with av.open(str(clip.path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height) == size
        assert video.sample_aspect_ratio in (None, 0, 1)
        assert (video.pix_fmt, int(video.codec_context.colorspace)) == ("yuv420p", 1)


@pytest.fixture
def cut_output(engine: Engine, tmp_path: Path) -> MakeClip:
    def run(source: Path, *points: str, **wanted: Any) -> Clip:
        return clip_of(engine, tmp_path, source, *points, **wanted)

    return run


def test_a_turned_recording_is_shaped_as_it_is_shown(cut_output: MakeClip) -> None:
    source = make(Recording(seconds=3))
    turned = source.with_name("turned-for-output.mp4")
    with av.open(str(source)) as original, av.open(str(turned), "w") as copy:
        video = copy.add_stream_from_template(original.streams.video[0], opaque=True)
        video.set_display_rotation(90)
        for packet in original.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                copy.mux_one(packet)
    # 200 wide and 320 high as it is shown: all of its width, and the middle of its height.
    clip = cut_output(turned, aspect="1:1", width=200)
    upright = np.rot90(first_luma(cut_output(turned, width=200).path), 0)
    luma = first_luma(clip.path)
    assert luma.shape == (200, 200)
    assert np.abs(luma - upright[60:260]).mean() < 6


@pytest.mark.sampled(slow=2)
@in_turn(
    (25, 45),
    (50, 90),
    (12.5, 22),
    (29.97, 54),
    (1, 2),
)
def test_another_rate_keeps_length_and_audio(either: Engine, tmp_path: Path, fps: float, count: int) -> None:
    clip = clip_of(either, tmp_path, make(), "2.3", "4.1", fps=fps)
    shown = numbers(clip.path)
    assert len(shown) == clip.report.frames == count
    assert clip.report.video.fps == pytest.approx(fps, rel=1e-4)
    assert clip.duration == pytest.approx(1.8, abs=0.51 / fps + 0.001)
    rate = Output(fps=fps).rate
    assert rate is not None
    for n, number in enumerate(shown):  # the frame that is due, at most half of either frame early or late
        assert abs((number - 58) / 25 - n / rate) <= 1 / rate / 2 + Fraction(1, 25)


@pytest.mark.parametrize("fps", [60.0, 50.0, 30.0, 24.0, 20.0, 10.0])
@pytest.mark.parametrize("end", ["1.241", "2.159"])
def test_another_rate_ends_within_a_frame_of_the_out_point(
    engine: Engine, tmp_path: Path, fps: float, end: str
) -> None:
    clip = clip_of(engine, tmp_path, make(), "1", end, fps=fps)
    length = float(end) - 1
    assert length - 0.5 / fps - 0.001 <= clip.report.frames / fps <= length + 1 / fps
    assert clip.report.warnings == []


@pytest.mark.sampled(2)
@in_turn(
    ("mp4", "h264"),
    ("mp4", "hevc"),
    ("mov", "hevc"),
    ("mkv", "h264"),
)
def test_containers_and_codecs(either: Engine, tmp_path: Path, container: str, codec: str) -> None:
    source = make(Recording(audio=("aac", "ac3", "libmp3lame")))
    clip = clip_of(
        either, tmp_path, source, "2.3", "4.6", container=container, video_codec=codec, quality="high"
    )
    assert (clip.extension, clip.report.video.codec) == (container, codec)
    assert clip.report.encoder == {"h264": "libx264", "hevc": "libx265"}[codec]
    assert numbers(clip.path) == list(range(58, 115))
    german = "ger" if container == "mov" else "deu"  # QuickTime has codes of its own
    assert audio_languages(clip.path) == ["eng", german, "fra"]
    for track in range(3):
        offsets = tick_offsets(clip.path, Fraction(25), track)
        assert len(offsets) == 2
        assert max(abs(offset) for offset in offsets) < 0.02
    with av.open(str(clip.path)) as opened:
        assert [s.codec_context.name for s in opened.streams.audio] == ["aac"] * 3
        if codec == "hevc" and container != "mkv":
            assert opened.streams.video[0].codec_tag == "hvc1"


@pytest.mark.parametrize("mode", ["copy", "smart"])
@pytest.mark.parametrize("container", ["mov", "mkv"])
def test_copied_frames_go_into_the_container_asked_for(
    cut_output: MakeClip, mode: Mode, container: str
) -> None:
    clip = cut_output(make(), "2.3", "6", mode=mode, container=container)
    assert (clip.extension, clip.report.mode) == (container, mode)
    assert numbers(clip.path)[-1] == 149


def test_what_a_container_can_t_hold_is_encoded(cut_output: MakeClip) -> None:
    fast = ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
    vp8 = make(Recording("webm", seconds=2, video=fast, audio=()))
    clip = cut_output(vp8, mode="copy", container="mov")
    assert clip.report.mode == "encode"
    assert any("vp8 does not go into mov" in warning for warning in clip.report.warnings)


@pytest.mark.parametrize("limit", [100_000, 250_000])
def test_a_size_limit_is_kept(either: Engine, tmp_path: Path, limit: int) -> None:
    noisy = make(Recording("mkv", seconds=6, video=("-c:v", "mpeg4", "-q:v", "2"), filters=NOISE))
    clip = clip_of(either, tmp_path, noisy, "1", "4", quality="high", max_bytes=limit)
    assert limit / 3 < clip.size <= limit
    assert numbers(clip.path)[0] == 25
    assert clip.report.frames == 75


NOISE = "noise=alls=60:allf=t,format=yuv420p"


def test_what_can_t_be_so_small_is_refused(cut_output: MakeClip, tmp_path: Path) -> None:
    source = make(Recording("mkv", seconds=20, rate=Fraction(2), audio=("aac",) * 4))
    with pytest.raises(OutputTooLarge, match=r"set output\.max_bytes to at least \d+"):
        cut_output(source, "0", "19", max_bytes=100_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sampled(2)
@pytest.mark.parametrize("quality", ["medium", "high"])
def test_a_short_stays_small_with_complex_video(cut_output: MakeClip, quality: Quality) -> None:
    noisy = make(Recording("mkv", seconds=6, video=("-c:v", "mpeg4", "-q:v", "2"), filters=NOISE))
    clip = cut_output(noisy, "1", "2", quality=quality, aspect="9:16", width=540)
    most = {"high": 60e6, "medium": 30e6}[quality] / 60  # a second, and one more that the rate may hold back
    assert clip.size <= most * (1 + 1)  # 2.4 and 1.6 MB without the limit


def test_interlaced_frames_are_deinterlaced(either: Engine, tmp_path: Path) -> None:
    fields = "interlace=scan=tff,format=yuv420p"
    coded = ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2", "-g", "12")
    source = make(Recording("ts", rate=Fraction(50), seconds=5, video=coded, filters=fields))
    info = either.probe(source)
    assert info.video_stream is not None
    assert info.video_stream.video is not None
    assert info.video_stream.video.interlaced
    clip = clip_of(either, tmp_path, source, "1", "2", aspect="9:16", width=180)
    assert clip.report.frames == len(numbers_between(clip.path, slice(0, 320))) == 25
    with av.open(str(clip.path)) as opened:
        assert not any(frame.interlaced_frame for frame in opened.decode(video=0))


HDR = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:{}")
PQ = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"


@pytest.mark.slow
@in_turn(
    (PQ,),
    ("transfer=smpte2084",),
    ("transfer=arib-std-b67",),
)
def test_hdr_becomes_sdr(either: Engine, tmp_path: Path, tags: str) -> None:
    coded = (*HDR[:-1], HDR[-1].format(tags))
    source = make(Recording("mkv", seconds=3, video=coded, filters="format=yuv420p10le"))
    clip = clip_of(either, tmp_path, source, aspect="1:1", width=200)
    with av.open(str(clip.path)) as opened:
        context = opened.streams.video[0].codec_context
        assert (context.pix_fmt, int(context.color_trc), int(context.color_primaries)) == ("yuv420p", 1, 1)
    assert clip.report.frames == 10
    assert first_luma(clip.path).max() > 100


def test_ten_bits_become_eight(either: Engine, tmp_path: Path) -> None:
    coded = (*HDR[:-1], HDR[-1].format("colorprim=bt709"))
    ten = make(Recording("mkv", seconds=3, video=coded, filters="format=yuv420p10le"))
    eight = make(Recording("mkv", seconds=3, video=(*HDR[:-1], "log-level=error"), filters="format=yuv420p"))
    lumas = [
        first_luma(clip_of(either, tmp_path, source, quality="high", width=320).path)
        for source in (ten, eight)
    ]
    assert np.abs(lumas[0] - lumas[1]).mean() < 2


def test_audio_of_an_unusual_rate_is_resampled(cut_output: MakeClip, tmp_path: Path) -> None:
    source = tmp_path / "slow-audio.mkv"
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-i", str(make()), "-t", "4"]
    subprocess.run(
        [*command, "-c:v", "copy", "-c:a", "pcm_s16le", "-ar", "22050", "-ac", "1", str(source)],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    with av.open(str(cut_output(source).path)) as opened:
        assert opened.streams.audio[0].rate == 48_000
