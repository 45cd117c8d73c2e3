"""What the commands share that run the engine alone: placing the result, the progress bar, the report."""

from __future__ import annotations

import argparse
import errno
import io
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Interruption, Reason
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import SourceFile
from clipping.contract.choices import Stage
from clipping.contract.messages import PartProgress
from clipping.contract.plan import ClipPlan
from clipping.contract.report import PartReport
from clipping.errors import NoSpace, ObjectExists
from clipping.exits import EXIT_USAGE
from clipping.signals import until_stopped
from clipping.timecode import format_seconds

Make = Callable[[Engine, Path, Interruption], Clip]
"""Makes a clip or reel in a folder."""

STOP_SECONDS = 15.0
"""How long a cancelled cut may take to stop its processes and to remove what it wrote."""
BAR = 30
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Errors of file systems without hard links: FAT, some network shares."""


def checked(run: Callable[[], int]) -> int:
    """The exit code of a command: 2 on wrong arguments, which are a `ValueError`."""
    try:
        return run()
    except ValueError as error:
        print(f"usage: {error}", file=sys.stderr)
        return EXIT_USAGE


def made(
    arguments: argparse.Namespace,
    server: ForkServer,
    make: Make,
    *,
    encodes: bool,
    beside: Mapping[Path, str] | None = None,
) -> Clip:
    """Make it with an engine of its own, until a signal, and place it at OUT.

    `encodes`: whether an encoder may be needed. `beside`: text files that are placed with it.
    """
    interruption = Interruption()
    return until_stopped(
        partial(_made, arguments, server, make, encodes, beside or {}, interruption),
        partial(interruption.set, Reason.CANCELLED),
        grace=STOP_SECONDS,
    )


def planned(arguments: argparse.Namespace, server: ForkServer, spec: CutSpec, source: SourceFile) -> ClipPlan:
    """The plan of a cut, by an engine of its own."""
    engine = Engine(EngineSettings(ffmpeg=arguments.ffmpeg, encoder=arguments.encoder), server)
    try:
        engine.start(encodes=spec.mode == "encode")
        return engine.plan(spec, source)
    finally:
        engine.close()


def print_plan(plan: ClipPlan, arguments: argparse.Namespace) -> None:
    """To stdout: as JSON, or as text."""
    print(plan.model_dump_json(exclude_none=True, indent=2) if arguments.json else plan.text())


def _made(
    arguments: argparse.Namespace,
    server: ForkServer,
    make: Make,
    encodes: bool,
    beside: Mapping[Path, str],
    interruption: Interruption,
) -> Clip:
    """If it is cancelled or fails, it leaves no files."""
    engine = Engine(EngineSettings(ffmpeg=arguments.ffmpeg, encoder=arguments.encoder), server)
    output = arguments.output.absolute()
    try:
        engine.start(encodes=encodes)
        with _scratch(output) as folder:
            clip = make(engine, folder, interruption)
            _place(clip.path, output, force=arguments.force)
        for target, text in beside.items():
            output = target
            with _scratch(output) as folder:
                (folder / "text").write_text(text, encoding="utf-8")
                _place(folder / "text", output, force=arguments.force)
        return clip
    except FileExistsError:
        raise ObjectExists(f"{output} was created meanwhile; give --force to replace it") from None
    except OSError as error:
        raise NoSpace(f"{output} can't be written: {error.strerror}") from None
    finally:
        engine.close()


@contextmanager
def _scratch(output: Path) -> Iterator[Path]:
    """A folder in that of the output, so that the last step is a rename within one file system."""
    with (
        tempfile.TemporaryDirectory(prefix=".clipping-", dir=output.parent) as name,
        _named_in_utf8(Path(name)) as folder,
    ):
        yield folder


@contextmanager
def _named_in_utf8(folder: Path) -> Iterator[Path]:
    """The folder under a path that libavformat accepts, also in the engine's child processes."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
        finally:
            os.close(descriptor)
    else:
        yield folder


def check_output(option: str, output: Path, recordings: Iterable[Path], *, force: bool) -> None:
    """Raises `ValueError` if nothing may be placed there; a recording is never replaced."""
    if not output.parent.is_dir():
        raise ValueError(f"the folder {output.parent} does not exist")
    try:
        there = output.stat()
    except FileNotFoundError:
        if output.is_symlink():
            raise ValueError(f"{option} {output} is a broken symlink; choose another file") from None
        return
    except OSError as error:
        raise ValueError(f"{option} {output} can't be used: {error.strerror}") from None
    for recording in recordings:
        with suppress(OSError):  # whether it can be read is the engine's to say
            if os.path.samestat(there, recording.stat()):
                raise ValueError(f"{option} {output} is the recording itself; choose another file")
    if not stat.S_ISREG(there.st_mode):
        raise ValueError(f"{option} {output} is not a regular file; choose another file")
    if not force:
        raise ValueError(f"{option} {output} exists; choose another file, or replace it with --force")


def _place(clip: Path, output: Path, *, force: bool) -> None:
    os.chmod(clip, 0o644)
    if force:
        clip.replace(output)
        return
    try:
        os.link(clip, output)  # fails if the file was created meanwhile; a rename would replace it
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        output.open("xb").close()
        clip.replace(output)


def show_bar(stage: Stage, percent: float, parts: tuple[PartProgress, ...] = ()) -> None:
    """A progress bar on a terminal; of a reel, with the part that is being made."""
    if sys.stderr.isatty():
        filled = int(percent / 100 * BAR)
        text = f"{stage:10} [{'#' * filled:{BAR}}] {percent:5.1f} %{_part(parts)}"
        print(f"\r{text}", end="\n" if percent >= 100 else "", file=sys.stderr, flush=True)


def _part(parts: tuple[PartProgress, ...]) -> str:
    """As wide for each part, so that nothing of an earlier one stays on the line."""
    if not parts:
        return ""
    at_work = [part.index for part in parts if part.stage not in ("waiting", "completed")]
    text = f"part {at_work[0] + 1} of {len(parts)}" if at_work else ""
    return f"  {text:{len(f'part {len(parts)} of {len(parts)}')}}"


def print_report(clip: Clip, arguments: argparse.Namespace) -> None:
    """To stdout: as JSON, or as text."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # the output's name may be in any encoding
    if arguments.json:
        print(clip.report.model_dump_json(exclude_none=True, indent=2))
    else:
        print(_summary(clip, arguments.output))


def _summary(clip: Clip, output: Path) -> str:
    report = clip.report
    on_gpu = "" if report.gpu is None else f" on GPU {report.gpu}"
    lines = [
        f"{output}: {clip.duration:.3f} s, {clip.size / 1e6:.1f} MB, {report.frames} frames, {report.mode}",
        *(
            map(_of_part, report.parts)
            if report.parts is not None
            else [
                f"from {format_seconds(report.actual.start)} to {format_seconds(report.actual.end)}"
                f" ({report.keyframe_lead_seconds:.3f} s before the in-point)"
            ]
        ),
        f"video {report.video.codec} {report.video.width}x{report.video.height} {report.video.fps:.3f} fps",
        *(f"audio {track.codec} {track.language or ''}".rstrip() for track in report.audio),
        *(f"dropped: stream {s.index} ({s.codec}): {s.reason}" for s in report.dropped_streams),
        *([f"encoder {report.encoder}{on_gpu}"] if report.encoder else []),
        *(f"note: {warning}" for warning in report.warnings),
    ]
    if output.suffix != f".{clip.extension}":
        lines.append(f"note: this is a .{clip.extension} file, although its name ends otherwise")
    return "\n".join(lines)


def _of_part(part: PartReport) -> str:
    return (
        f"part {part.index + 1} at {format_seconds(part.start_seconds)}: from"
        f" {format_seconds(part.actual.start)} to {format_seconds(part.actual.end)}, {part.mode}"
    )
