"""Effects in finished clips: where the pixels of each frame come from, and when they are shown."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from agent.cutting import Clip, CutSpec, Engine, Keep, find_ffmpeg
from clipping.contract.effect_values import MAX_SEGMENTS
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from tests.support.media import Recording, make, numbers, shown_frames, tick_offsets, tick_times

WIDTH, HEIGHT, RATE = 640, 360, 25
LUMA, CB = 16, 28
"""What the first pixel's codes begin with."""
COLOURS = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")
Frame = npt.NDArray[np.float64]
Make = Callable[..., Clip]


@pytest.fixture(scope="module")
def map_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s of which every pixel shows its own place: its luma is proportional to x, Cb to y, and Cr to the
    frame's number."""
    path = tmp_path_factory.mktemp("map") / "map.mkv"
    # Of the middle of each pixel, and rounded to the nearest code.
    pattern = f"lum='floor({LUMA}.5+200*(X+0.5)/{WIDTH})':cb='floor({CB}.5+200*(Y+0.5)/{HEIGHT // 2})'"
    pattern = f"geq={pattern}:cr='28+N'"
    source = f"nullsrc=size={WIDTH}x{HEIGHT}:rate={RATE},format=yuv420p,{pattern}"
    # Both: ffmpeg 5.1 stores what the options say, and later ones convert to it what has other colours.
    source += ",setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    command = [str(find_ffmpeg(None)), "-v", "error", "-f", "lavfi", "-i", source, "-t", "8"]
    subprocess.run([*command, "-c:v", "ffv1", "-g", "25", *COLOURS, str(path)], check=True, timeout=60)
    return path


@pytest.fixture
def made(engine: Engine, tmp_path: Path) -> Make:
    """`made(source, start, end, effects, **output)`: a clip."""

    def run(source: Path, start: str, end: str, effects: dict[str, Any], **output: Any) -> Clip:
        spec = CutSpec(
            source,
            Fraction(start),
            Fraction(end),
            "encode",
            "high",
            Output(**output),
            Effects.model_validate(effects),
        )
        return engine.cut(spec, tmp_path, progress=lambda *_: None)

    return run


def planes(clip: Path) -> list[tuple[Frame, Frame, Frame]]:
    found = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            data = frame.to_ndarray(format="yuv420p").astype(float)
            high, wide = frame.height, frame.width
            chroma = data[high:].reshape(2, high // 2, wide // 2)
            found.append((data[:high], chroma[0], chroma[1]))
    return found


def window(frame: tuple[Frame, Frame, Frame]) -> tuple[float, float, float, float]:
    """Which part of the map a frame shows: x, y, width, height in the recording's pixels."""
    luma, cb, _ = frame
    high, wide = luma.shape
    across = np.polyfit(np.arange(wide) + 0.5, luma.mean(axis=0), 1)
    down = np.polyfit(np.arange(high // 2) + 0.5, cb.mean(axis=1), 1)
    x = (across[1] - LUMA) * WIDTH / 200
    y = (down[1] - CB) * HEIGHT / 200
    return x, y, across[0] * wide * WIDTH / 200, down[0] * high / 2 * HEIGHT / 200


KEYFRAMES = [
    {"time": at, "x": x, "y": 40.0, "width": 160.0, "height": 284.0}
    for at, x in enumerate((0.0, 100.0, 50.0, 200.0))
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("interpolation", "between"), [("linear", (50, 75, 125)), ("spline", (53.125, 71.875, 121.875))]
)
def test_the_window_is_at_its_keyframes_and_between_them(
    made: Make, map_video: Path, interpolation: str, between: tuple[float, ...]
) -> None:
    framing = {
        "keyframes": [*reversed(KEYFRAMES)],
        "interpolation": interpolation,
        "target_width": 320,
        "target_height": 568,
    }
    clip = made(map_video, "2", "5.8", {"framing": framing})
    frames = planes(clip.path)
    assert (len(frames), frames[0][0].shape) == (95, (568, 320))
    assert (clip.report.video.width, clip.report.video.height) == (320, 568)
    # The recording's frames are at 1/25 s: 0.52 s is the 13th, 0.48 s the 12th.
    for at, x in zip((0.5, 1.5, 2.5), between, strict=True):
        around = [window(frames[int(at * RATE)])[0], window(frames[int(at * RATE) + 1])[0]]
        middle = np.interp(at * RATE, [int(at * RATE), int(at * RATE) + 1], around)
        assert middle == pytest.approx(x, abs=0.3)
    for at, x in enumerate((0, 100, 50, 200)):
        found = window(frames[at * RATE])
        assert found == pytest.approx((x, 40, 160, 284), abs=0.5)
    assert window(frames[-1])[0] == pytest.approx(200, abs=0.25)  # it stays at the last keyframe
    assert [round(frame[2].mean() - 28) for frame in frames] == list(range(50, 145))


def test_frames_are_times_at_the_recording_s_rate(made: Make, map_video: Path) -> None:
    by_frame = [{**key, "frame": int(key["time"] * RATE)} for key in KEYFRAMES]
    for key in by_frame:
        del key["time"]
    framing = {"keyframes": by_frame, "target_width": 160, "target_height": 284}
    clip = made(map_video, "0", "3", {"framing": framing}, fps=50.0)
    frames = planes(clip.path)
    assert len(frames) == 150
    assert window(frames[50])[0] == pytest.approx(100, abs=0.25)
    assert window(frames[25])[0] == pytest.approx(50, abs=0.25)  # 0.5 s


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_slow_pan_does_not_jitter(made: Make, map_video: Path) -> None:
    ends = [
        {"time": at, "x": x, "y": 30.0, "width": 162.0, "height": 288.0} for at, x in ((0, 100.0), (4, 110.0))
    ]
    framing = {"keyframes": ends, "target_width": 1080, "target_height": 1920}
    clip = made(map_video, "1", "5", {"framing": framing})
    xs = np.array([window(frame)[0] for frame in planes(clip.path)])
    expected = 100 + 10 * np.arange(100) / RATE / 4
    assert np.std(xs - expected) < 0.05
    assert abs(np.mean(xs - expected)) < 0.1


def test_a_crop_that_stays_on_whole_pixels_is_exact(made: Make, map_video: Path) -> None:
    still = {"keyframes": [{"time": 0, "x": 100.0, "y": 20.0, "width": 180.0, "height": 320.0}]}
    clip = made(map_video, "1", "2", {"framing": {**still, "target_width": 360, "target_height": 640}})
    assert window(planes(clip.path)[10]) == pytest.approx((100, 20, 180, 320), abs=0.25)


def test_a_highlight_begins_and_ends_with_its_region(made: Make) -> None:
    source = make(Recording(seconds=8))
    region = {
        "start_time": 1.0,
        "end_time": 2.0,
        "keyframes": [
            {
                "time": at,
                "x": 160.0,
                "y": 100.0,
                "radiusX": 40.0,
                "radiusY": 30.0,
                "opacity": 1.0,
                "color": "#FF0000",
            }
            for at in (1.0, 3.0)
        ],
    }
    clip = made(source, "2", "6", {"overlay": {"effect_type": "original", "regions": [region]}})
    red = [n for n, frame in enumerate(planes(clip.path)) if frame[2][45:55, 75:85].mean() > 220]
    assert red == list(range(25, 51))  # both ends are inclusive
    assert numbers(clip.path) == list(range(50, 150))
    assert max(abs(offset) for offset in tick_offsets(clip.path, Fraction(25))) < 0.002


@pytest.mark.sampled(2)
@pytest.mark.parametrize("effect", ["brightness_boost", "dark_overlay", "blur", "spotlight"])
def test_other_highlights_change_what_they_are_for(made: Make, map_video: Path, effect: str) -> None:
    ellipse = {"x": 320.0, "y": 180.0, "radiusX": 80.0, "radiusY": 60.0}
    region = {"start_time": 0.0, "end_time": 9.0, "keyframes": [{"time": at, **ellipse} for at in (0.0, 9.0)]}
    plain = planes(made(map_video, "1", "1.4", {"title": None}).path)[5]
    drawn = planes(
        made(map_video, "1", "1.4", {"overlay": {"effect_type": effect, "regions": [region]}}).path
    )[5]
    inside, outside = np.s_[160:200, 300:340], np.s_[20:60, 40:80]
    factors = {
        "brightness_boost": (1.5, 1),
        "dark_overlay": (1, 0.7),
        "blur": (1, 1),
        "spotlight": (1, 0.3),
    }[effect]
    for area, factor in zip((inside, outside), factors, strict=True):
        expected = 16 + (plain[0][area].mean() - 16) * factor
        assert drawn[0][area].mean() == pytest.approx(expected, abs=3)


def test_an_overlay_is_drawn_before_the_shape_and_in_its_own_space(made: Make, map_video: Path) -> None:
    key = {"x": 160.0, "y": 90.0, "radiusX": 20.0, "radiusY": 20.0, "opacity": 1.0, "color": "#00FF00"}
    region = {
        "start_time": 0.0,
        "end_time": 9.0,
        "keyframes": [{"time": 9.0, **key}],
        "videoWidth": 320.0,
        "videoHeight": 180.0,
    }
    overlay = {"effect_type": "original", "regions": [region]}
    clip = made(map_video, "1", "1.4", {"overlay": overlay}, width=360, height=640, fit="letterbox")
    (_, cb, _) = planes(clip.path)[3]
    assert cb.shape == (320, 180)
    # Centred in the recording, so in the middle of the frame, which has black bars above and below.
    assert cb[155:165, 85:95].mean() < 60
    assert cb[5:20].mean() == pytest.approx(128, abs=1)
    framing = {
        "keyframes": [{"time": 0, "x": 320.3, "y": 0.0, "width": 202.5, "height": 360.0}],
        "target_width": 320,
        "target_height": 180,
    }
    framed = made(map_video, "1", "1.4", {"overlay": overlay, "framing": framing})
    assert planes(framed.path)[3][1][43:47, 78:82].mean() < 60  # videoWidth is the target's: `framed`


@pytest.mark.sampled(4, slow=2)
@pytest.mark.parametrize(
    ("rating", "color"),
    [(1, "C62828"), (2, "F9A825"), (3, "1565C0"), (4, "2E7D32"), (5, "66BB6A")],
)
def test_a_title_has_the_colour_of_its_rating(made: Make, map_video: Path, rating: int, color: str) -> None:
    clip = made(map_video, "1", "1.4", {"title": {"name": "x", "rating": rating}}, width=1920, height=1080)
    y, cb, cr = planes(clip.path)[3]
    # The border is 4 px wide, from 10 px below the top, and 80 % of the frame's width long.
    at = np.s_[11:13, 600:1300], np.s_[5:7, 300:650]
    found = y[at[0]].mean(), cb[at[1]].mean(), cr[at[1]].mean()
    red, green, blue = (int(color[n : n + 2], 16) for n in (0, 2, 4))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    expected = (
        16 + luma * 219 / 255,
        128 + (blue - luma) / 1.8556 * 224 / 255,
        128 + (red - luma) / 1.5748 * 224 / 255,
    )
    assert found == pytest.approx(expected, abs=3)
    assert y[30:34, 250:300].mean() == pytest.approx(16 + 219 * 0.95 + (y[100, 275] - 16) * 0.05, abs=3)


def test_speed_changes_the_times_of_frames_and_audio(made: Make) -> None:
    source = make(Recording(seconds=12))
    segments = [{"start": 1.0, "end": 3.0, "speed": 2.0}, {"start": 4.0, "end": 5.0, "speed": 0.25}]
    clip = made(source, "2", "8", {"segments": segments})
    # 1 s as it is, 2 s in 1 s, 1 s, 1 s in 4 s, 1 s
    assert clip.duration == pytest.approx(8)
    found = numbers(clip.path)
    assert len(found) == 200
    assert found[:25] == list(range(50, 75))
    assert found[25:50] in (list(range(75, 125, 2)), list(range(76, 126, 2)))
    assert found[50:75] == list(range(125, 150))
    assert [round(n) for n in np.interp(np.arange(100), [0, 100], [150, 175])][10] in found[75:175]
    assert sorted(set(found[75:175])) == list(range(150, 175))
    assert found[175:] == list(range(175, 200))
    assert clip.report.actual.end == pytest.approx(8)
    # A tick begins every second of the recording: at 0, 1, (2), 3, 4, 5 s of the range. atempo spreads them.
    ticks = tick_times(clip.path)
    assert ticks[0] == pytest.approx(0, abs=0.03)
    for expected in (1, 2, 7):
        assert min(abs(tick - expected) for tick in ticks) < 0.1


@pytest.mark.parametrize("fps", [None, 60.0])
def test_slow_motion_ends_with_the_request(made: Make, fps: float | None) -> None:
    """Between two frames: the last one is not slowed down beyond it."""
    slow = {"segments": [{"start": 2.0, "end": 3.2, "speed": 0.25}]}
    clip = made(make(Recording()), "1.3", "4.5", slow, **({} if fps is None else {"fps": fps}))
    # From the first frame, at 1.32 s, to 3.3 s, and 1.18 s in 4.72 s.
    assert clip.duration == pytest.approx(2 + 4.72, abs=0.02)


def test_the_most_and_shortest_segments_can_be_made(made: Make) -> None:
    segments = [
        {"start": n / 50, "end": (n + 1) / 50, "speed": 0.5 if n % 2 else 2} for n in range(MAX_SEGMENTS)
    ]
    clip = made(make(Recording(seconds=12)), "2", "6", {"segments": segments})
    assert clip.duration == pytest.approx(5)
    shown = numbers(clip.path)
    assert (shown[0], shown[-1], len(shown)) == (50, 149, 125)
    assert shown == sorted(shown)
    with av.open(str(clip.path)) as container:
        audio = container.streams.audio[0]
        assert float((audio.duration or 0) * (audio.time_base or 0)) == pytest.approx(5, abs=0.03)


def test_effects_of_a_segmented_encode_are_those_of_one_pass(
    engine: Engine, tmp_path: Path, map_video: Path
) -> None:
    framing = {"keyframes": KEYFRAMES, "target_width": 160, "target_height": 284}
    effects = Effects.model_validate({"framing": framing, "title": {"name": "Reihe", "rating": 5}})
    spec = CutSpec(map_video, Fraction(1), Fraction(8), "encode", "high", Output(), effects)
    keep = Keep(tmp_path / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)
    checkpoints: list[int] = []
    parts = engine.cut(
        spec,
        tmp_path,
        progress=lambda *_: None,
        keep=keep,
        checkpoint=lambda found: checkpoints.append(found.frame),
    )
    once = engine.cut(spec, tmp_path, progress=lambda *_: None)
    assert len(checkpoints) >= 3
    ours, theirs = planes(parts.path), planes(once.path)
    assert len(ours) == len(theirs) == 175
    for a, b in zip(ours, theirs, strict=True):
        assert window(a)[0] == pytest.approx(window(b)[0], abs=1)  # 4 px a frame


KINDS: dict[str, Recording] = {
    "variable rate": Recording(
        "mkv",
        filters="select='not(eq(mod(n\\,7)\\,3)+eq(mod(n\\,7)\\,4))',format=yuv420p",
        video=("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-fps_mode", "passthrough"),
    ),
    "interlaced": Recording(
        "ts",
        video=(
            *("-c:v", "libx264", "-preset", "ultrafast", "-g", "50"),
            *("-flags", "+ilme+ildct", "-x264-params", "tff=1"),
        ),
    ),
    "ten bits": Recording("mkv", filters="format=yuv420p10le"),
    "oblong pixels": Recording("mkv", filters="setsar=4/3,format=yuv420p"),
    "ntsc": Recording(rate=Fraction(30000, 1001), gop=60),
    "mpeg2": Recording("ts", video=("-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3")),
}


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", KINDS)
def test_frames_keep_their_times(made: Make, kind: str) -> None:
    recording = KINDS[kind]
    source = make(recording)
    key = {"x": 10.0, "y": 10.0, "radiusX": 5.0, "radiusY": 5.0}
    region = {"start_time": 0.0, "end_time": 9.0, "keyframes": [{"time": 9.0, **key}]}
    plain = made(source, "1.3", "5.7", {})
    drawn = made(source, "1.3", "5.7", {"overlay": {"effect_type": "original", "regions": [region]}})
    assert shown_frames(drawn.path) == shown_frames(plain.path)
    assert drawn.report.video == plain.report.video
    assert tick_times(drawn.path) == pytest.approx(tick_times(plain.path), abs=0.001)
