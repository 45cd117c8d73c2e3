"""Captions that are burned in are on the frames from their start to their end, and on no other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Interruption, Keep, Reason, find_ffmpeg
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from clipping.errors import GivenBack

Make = Callable[..., Clip]
Luma = npt.NDArray[np.int64]
SIZE, RATE = (320, 180), 25
GREY = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0")
TIMES = [(0.2, 0.6), (0.41, 1.0), (1.0, 1.04), (2.0, 60.0)]
"""Seconds; the second begins between two frames, and the last goes beyond the end."""


@pytest.fixture(scope="module", params=["found", "bundled"])
def either(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """An engine with the ffmpeg that is found, and one with the newer one that comes with a package."""
    bundled = Path(imageio_ffmpeg.get_ffmpeg_exe()) if request.param == "bundled" else None
    engine = Engine(EngineSettings(ffmpeg=bundled))
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def grey(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`grey(extension, filters)`: 14 seconds of grey."""
    folder, made = tmp_path_factory.mktemp("grey"), dict[tuple[str, str], Path]()

    def make(extension: str = "mp4", filters: str = "null") -> Path:
        if (extension, filters) not in made:
            path = folder / f"{len(made)}.{extension}"
            source = f"color=gray:size={SIZE[0]}x{SIZE[1]}:rate={RATE},{filters},format=yuv420p"
            command = [str(find_ffmpeg(None)), "-v", "error", "-f", "lavfi", "-i", source, "-t", "14"]
            options = (*GREY, "-fps_mode", "passthrough")
            subprocess.run([*command, *options, str(path)], check=True, timeout=60)
            made[extension, filters] = path
        return made[extension, filters]

    return make


@pytest.fixture
def made(either: Engine, tmp_path: Path) -> Make:
    """`made(source, length, times, **output)`: a clip from 1.3 s on with a caption at each of the times."""

    def run(
        source: Path,
        length: str = "3.2",
        times: Sequence[tuple[float, float]] = TIMES,
        effects: dict[str, Any] | None = None,
        **output: Any,
    ) -> Clip:
        wanted = Effects.model_validate({**(effects or {}), "captions": captions(times)})
        end = Fraction("1.3") + Fraction(length)
        spec = CutSpec(source, Fraction("1.3"), end, "encode", "medium", Output(**output), wanted)
        return either.cut(spec, tmp_path, progress=lambda *_: None)

    return run


def captions(times: Sequence[tuple[float, float]]) -> dict[str, str]:
    parts = [f"{clock(start)} --> {clock(end)}\nHIII{'I' * n}" for n, (start, end) in enumerate(times)]
    return {"format": "srt", "text": "\n\n".join(parts)}


def clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    return f"00:{milliseconds // 60_000:02}:{milliseconds // 1000 % 60:02},{milliseconds % 1000:03}"


def frames(clip: Path) -> list[tuple[Fraction, Luma]]:
    """When each frame is shown, and its luma."""
    found = []
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            luma = frame.to_ndarray(format="yuv420p")[: frame.height].astype(int)
            found.append((frame.pts * frame.time_base, luma))
    return found


def is_drawn(luma: Luma) -> bool:
    drawn = bool((luma > 200).any())
    assert drawn == bool((luma[-luma.shape[0] // 4 :] < 60).any())  # with its outline
    return drawn


def expected(at: Fraction, times: Sequence[tuple[float, float]]) -> bool:
    return any(Fraction(str(start)) <= at < Fraction(str(end)) for start, end in times)


def check(clip: Clip, times: Sequence[tuple[float, float]] = TIMES) -> list[tuple[Fraction, Luma]]:
    """Every frame has a caption exactly when one is shown."""
    found = frames(clip.path)
    assert [is_drawn(luma) for _, luma in found] == [expected(at, times) for at, _ in found]
    assert {is_drawn(luma) for _, luma in found} == {True, False}
    return found


@pytest.mark.sampled(4, slow=3)
@pytest.mark.parametrize(
    ("extension", "output"),
    [
        ("mp4", {}),
        ("mp4", {"container": "mov"}),
        ("ts", {"container": "mkv"}),
        ("mkv", {"fps": 30.0}),
        ("mp4", {"fps": 29.97, "video_codec": "hevc"}),
        ("mp4", {"aspect": "1:1", "width": 180, "fit": "blur"}),
        ("mp4", {"max_bytes": 200_000}),
    ],
)
def test_it_is_shown_exactly_while_it_lasts(
    made: Make, grey: Callable[..., Path], extension: str, output: dict[str, Any]
) -> None:
    clip = made(grey(extension), **output)
    check(clip)
    assert clip.report.warnings == []


def test_frames_of_a_variable_rate_keep_their_times(made: Make, grey: Callable[..., Path]) -> None:
    source = grey("mkv", "select='not(eq(mod(n\\,7)\\,3)+eq(mod(n\\,7)\\,4))'")
    times = [at for at, _ in check(made(source))]
    assert len({after - before for before, after in pairwise(times)}) > 1


def test_captions_may_be_far_apart(made: Make, grey: Callable[..., Path]) -> None:
    times = [(0.0, 0.04), (12.0, 12.04)]
    check(made(grey(), "12.4", times), times)


@pytest.mark.parametrize("fps", [None, 30.0])
def test_they_follow_the_speed(made: Make, grey: Callable[..., Path], fps: float | None) -> None:
    segments = [{"start": 0.4, "end": 1.0, "speed": 0.5}, {"start": 2.0, "end": 3.0, "speed": 4}]
    clip = made(grey(), effects={"segments": segments}, **({} if fps is None else {"fps": fps}))
    # 0.2 to 0.6 becomes 0.2 to 0.8, 0.41 to 1 becomes 0.42 to 1.6, and so on.
    check(clip, [(0.2, 0.8), (0.42, 1.6), (1.6, 1.64), (2.6, 60)])
    assert clip.duration == pytest.approx(3.05, abs=0.04)


def test_they_are_on_a_moving_crop_with_a_highlight_and_a_title(
    made: Make, grey: Callable[..., Path]
) -> None:
    points = [{"time": at, "x": x, "y": 90.0, "radiusX": 20, "radiusY": 30} for at, x in ((0, 50), (3, 250))]
    window = {"y": 0.0, "width": 101.25, "height": 180.0}
    effects = {
        "framing": {
            "keyframes": [{"time": 0, "x": 0.0, **window}, {"time": 3, "x": 200.0, **window}],
            "target_width": 216,
            "target_height": 384,
        },
        "overlay": {"regions": [{"start_time": 0, "end_time": 3, "keyframes": points}]},
        "title": {"name": "Goal"},
    }
    found = frames(made(grey(), effects=effects).path)
    for at, luma in found:
        assert (luma[: luma.shape[0] // 6] > 200).any()  # the title
        lower = luma[luma.shape[0] * 2 // 3 :]
        assert bool((lower > 200).any() and (lower < 40).any()) == expected(at, TIMES)


def test_overlapping_captions_are_above_each_other(made: Make, grey: Callable[..., Path]) -> None:
    def rows(luma: Luma) -> int:
        lines = np.flatnonzero((luma > 200).any(axis=1))
        return int(lines.max() - lines.min())

    by_time = dict(frames(made(grey()).path))
    alone, both = by_time[Fraction("0.2")], by_time[Fraction("0.44")]
    assert rows(both) > 2 * rows(alone)
    bottom = [int(np.flatnonzero((luma > 200).any(axis=1)).max()) for luma in (alone, both)]
    assert bottom[0] == pytest.approx(bottom[1], abs=2)


@pytest.mark.sampled(4, slow=3)
@pytest.mark.parametrize("output", [{}, {"fps": 30.0}, {"container": "mkv"}])
def test_in_segments_they_are_as_in_a_single_pass(
    either: Engine, made: Make, grey: Callable[..., Path], tmp_path: Path, output: dict[str, Any]
) -> None:
    times = [(0.2, 0.6), (1.9, 4.3), (4.3, 4.5), (7.0, 7.04), (9.0, 9.5)]
    once = check(made(grey(), "9.4", times, **output), times)
    wanted = Effects.model_validate({"captions": captions(times)})
    spec = CutSpec(grey(), Fraction("1.3"), Fraction("10.7"), "encode", "medium", Output(**output), wanted)
    keep = Keep(tmp_path / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)
    checkpoints: list[Checkpoint] = []
    clip = either.cut(spec, tmp_path, progress=lambda *_: None, keep=keep, checkpoint=checkpoints.append)
    assert len(checkpoints) > 2
    segmented = check(clip, times)
    assert [at for at, _ in segmented] == [at for at, _ in once]
    assert max(float(abs(a - b).mean()) for (_, a), (_, b) in zip(segmented, once, strict=True)) < 2
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".mp4", ".mkv")] == ["kept"]


def test_finished_segments_with_other_captions_are_not_used(
    either: Engine, grey: Callable[..., Path], tmp_path: Path
) -> None:
    def cut(folder: str, times: Sequence[tuple[float, float]], stop_after: int | None = None) -> int:
        """How many attempts resumed it."""
        keep = Keep(tmp_path / folder, "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)
        wanted = Effects.model_validate({"captions": captions(times)})
        spec = CutSpec(grey(), Fraction("1.3"), Fraction("10.7"), "encode", "medium", Output(), wanted)
        found: list[Checkpoint] = []
        interruption = Interruption()

        def kept(checkpoint: Checkpoint) -> None:
            found.append(checkpoint)
            if checkpoint.segment == stop_after:
                interruption.set(Reason.GIVEN_BACK)

        either.cut(
            spec, tmp_path, progress=lambda *_: None, keep=keep, checkpoint=kept, interruption=interruption
        )
        return found[0].resumed_count

    for folder, times, resumed in (("same", [(0.2, 0.6)], 1), ("other", [(0.2, 0.7)], 0)):
        with pytest.raises(GivenBack):
            cut(folder, [(0.2, 0.6)], stop_after=2)
        assert cut(folder, times) == resumed


def test_letters_have_no_colour(made: Make, grey: Callable[..., Path]) -> None:
    with av.open(str(made(grey(), "0.4", [(0.0, 1.0)]).path)) as container:
        frame = next(container.decode(video=0))
        planes = frame.to_ndarray(format="yuv420p")
    assert 225 <= planes[: frame.height].max() <= 250
    assert planes[: frame.height].min() <= 30
    assert abs(planes[frame.height :].astype(int) - 128).max() <= 2


def test_captions_behind_the_end_are_left_out_with_a_warning(made: Make, grey: Callable[..., Path]) -> None:
    clip = made(grey(), "1", [(1.0, 2.0)])
    assert clip.report.warnings == ["1 of 1 captions begin after the end of the clip and are left out"]
    assert not any(is_drawn(luma) for _, luma in frames(clip.path))
