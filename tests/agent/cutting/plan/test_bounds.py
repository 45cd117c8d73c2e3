"""Recordings above the limits are refused or reduced, and need no memory."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from agent.cutting.process.client import ForkServer
from agent.cutting.process.protocol import Failed
from agent.cutting.reading.source import open_path
from clipping.contract.choices import Mode
from clipping.contract.output import AS_IS, Output
from clipping.errors import ClippingError, SourceCorrupt, TooLarge
from tests.support.media import Recording, make
from tests.support.waiting import eventually

MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def small_engine() -> Iterator[Engine]:
    """One that cuts frames of up to 320x200."""
    engine = Engine(EngineSettings(max_pixels=320 * 200))
    engine.start()
    yield engine
    engine.close()


def cut(
    engine: Engine, source: Path, folder: Path, mode: Mode, output: Output = AS_IS, end: int = 3
) -> Clip | ClippingError:
    folder.mkdir(exist_ok=True)
    spec = CutSpec(source, Fraction(1), Fraction(end), mode, "medium", output)
    try:
        return engine.cut(spec, folder, progress=lambda *_: None)
    except ClippingError as error:
        assert list(folder.iterdir()) == []
        return error


def ffmpeg(*arguments: str | Path) -> None:
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=120)


def video_of(path: Path, size: str, seconds: int = 4) -> Path:
    source = f"testsrc2=size={size}:rate=5:duration={seconds}"
    ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast", "-g", "5", path)
    return path


@contextmanager
def most_memory() -> Iterator[Callable[[], int]]:
    """The most that any process below this one has had in memory meanwhile, in bytes."""
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.01):
            for pid in below(os.getpid()):
                try:
                    status = Path(f"/proc/{pid}/status").read_text()
                    peak = max(peak, int(status.split("VmHWM:")[1].split()[0]) << 10)
                except (OSError, IndexError):
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peak
    finally:
        over.set()
        thread.join()


def below(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *below(child)] if Path(f"/proc/{child}/task").exists() else []
    return found


@pytest.mark.slow
@pytest.mark.sampled(4)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_a_frame_that_is_too_large_costs_no_memory(
    engine: Engine, tmp_path: Path, extension: str, mode: Mode
) -> None:
    source = tmp_path / f"large.{extension}"
    ffmpeg("-i", gigantic(), "-c", "copy", source)
    with most_memory() as peak:
        error = cut(engine, source, tmp_path / "spool", mode)
    assert isinstance(error, TooLarge)
    assert error.code == "TOO_LARGE"
    assert "12000x12000" in error.message
    assert "cutting.max_pixels" in error.message
    assert peak() < 300 * MEGABYTE


_gigantic: list[Path] = []


def gigantic() -> Path:
    """144 million pixels; made once."""
    if not _gigantic:
        path = make(Recording()).with_name("gigantic.mkv")
        frame = path.with_name("frame.mkv")
        source = "color=gray:size=12000x12000:rate=1:duration=1"
        coding = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]
        ffmpeg("-f", "lavfi", "-i", source, *coding, frame)
        ffmpeg("-stream_loop", "3", "-i", frame, "-c", "copy", path)
        _gigantic.append(path)
    return _gigantic[0]


@pytest.mark.parametrize("mode", MODES)
def test_frames_that_grow_within_the_recording_are_refused(
    small_engine: Engine, tmp_path: Path, mode: Mode
) -> None:
    parts = [video_of(tmp_path / f"{size}.ts", size, 2) for size in ("320x200", "1280x800")]
    source = tmp_path / "grows.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    error = cut(small_engine, source, tmp_path / "spool", mode)
    assert isinstance(error, TooLarge), error


@pytest.mark.parametrize(
    ("output", "size"),
    [
        (Output(width=640), "640x400"),
        (Output(height=400), "640x400"),
        (Output(aspect="9:16"), "1080x1920"),
        (Output(width=640, height=202), "640x202"),
    ],
)
def test_a_requested_frame_that_is_too_large(
    small_engine: Engine, tmp_path: Path, output: Output, size: str
) -> None:
    error = cut(small_engine, make(), tmp_path / "spool", "encode", output)
    assert isinstance(error, TooLarge)
    assert size in error.message
    assert "output.width" in error.message


def test_a_frame_of_just_the_limit_is_cut(small_engine: Engine, tmp_path: Path) -> None:
    for mode in MODES:
        assert isinstance(cut(small_engine, make(), tmp_path / mode, mode), Clip)


def with_chapters(path: Path, count: int) -> Path:
    lines = [";FFMETADATA1"]
    for number in range(count):
        begin = number * 10_000_000 // count
        end = max(begin + 1, (number + 1) * 10_000_000 // count)
        lines.append(f"[CHAPTER]\nTIMEBASE=1/1000000\nSTART={begin}\nEND={end}\ntitle={number}")
    listed = path.with_suffix(".txt")
    listed.write_text("\n".join(lines))
    ffmpeg(
        "-i",
        make(Recording("mkv")),
        "-f",
        "ffmetadata",
        "-i",
        listed,
        "-map_chapters",
        "1",
        "-c",
        "copy",
        path,
    )
    return path


@pytest.mark.parametrize("mode", MODES)
def test_only_so_many_chapters_are_kept(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    clip = cut(engine, with_chapters(tmp_path / "chapters.mkv", 1500), tmp_path / "spool", mode)
    assert isinstance(clip, Clip)
    assert any("more than 1000 chapters" in warning for warning in clip.report.warnings)
    with av.open(str(clip.path)) as container:
        assert 0 < len(container.chapters()) <= 1000


@pytest.mark.parametrize("count", [1000, 3])
def test_a_usual_number_of_chapters_is_kept_without_a_word(
    engine: Engine, tmp_path: Path, count: int
) -> None:
    clip = cut(engine, with_chapters(tmp_path / "chapters.mkv", count), tmp_path / "spool", "encode")
    assert isinstance(clip, Clip)
    assert clip.report.warnings == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_million_chapters_cost_little_memory(engine: Engine, tmp_path: Path) -> None:
    source = with_chapters(tmp_path / "chapters.mkv", 1_000_000)
    with most_memory() as peak:
        clip = cut(engine, source, tmp_path / "spool", "copy")
    assert isinstance(clip, Clip)
    assert any("too many chapters" in warning for warning in clip.report.warnings)
    assert peak() < 600 * MEGABYTE  # libavformat takes 400 MB for them, the list of them took another 1,100


@pytest.mark.parametrize("mode", MODES)
def test_only_so_many_tracks_are_kept(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    source = tmp_path / "tracks.mkv"
    maps = [argument for _ in range(170) for argument in ("-map", "0:a")]
    ffmpeg("-i", make(Recording("mkv", seconds=4)), "-map", "0:v", *maps, "-c", "copy", source)
    clip = cut(engine, source, tmp_path / "spool", mode, end=2)
    assert isinstance(clip, Clip)
    with av.open(str(clip.path)) as container:
        assert len(container.streams) == 64
    assert [stream.index for stream in clip.report.dropped_streams] == list(range(64, 164))
    assert any("107 tracks" in warning for warning in clip.report.warnings)
    assert any(warning.startswith("107 streams of the recording") for warning in clip.report.warnings)


@pytest.mark.slow
@pytest.mark.timeout(360)
def test_a_description_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    source = with_chapters(tmp_path / "chapters.mkv", 1_000_000)
    server = ForkServer(preload="agent.cutting.cut", memory=250 * MEGABYTE)
    server.start()
    try:
        with open_path(source) as file:
            job = server.run(
                "agent.cutting.cut:run_probe", source, file.identity, None, descriptors=(file.descriptor,)
            )
            with closing(job):
                answer = eventually(lambda: next(job.messages(1), None), within=240)
    finally:
        server.close()
    assert isinstance(answer, Failed)
    assert isinstance(answer.error, SourceCorrupt)
    assert "memory" in str(answer.error)
