"""What `clipping-agent cut` does once the engine's process is being started."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, Interruption, Reason
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.choices import ContainerName, Mode, Stage
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.effects_forms import AskedEffects, parse_effects
from clipping.contract.json_file import EFFECTS, read_object
from clipping.contract.modes import check_mode, check_size, default_mode
from clipping.contract.output import Output
from clipping.contract.problems import first_problem
from clipping.errors import InvalidRequest, NoSpace, ObjectExists
from clipping.exits import EXIT_OK, EXIT_USAGE
from clipping.signals import until_stopped
from clipping.timecode import exact, format_seconds, parse_seconds

STOP_SECONDS = 15.0
"""How long a cancelled cut may take to stop its processes and to remove what it wrote."""
BAR = 30
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Errors of file systems without hard links: FAT, some network shares."""
_OPTIONS = {
    "aspect": "aspect",
    "fit": "fit",
    "width": "width",
    "height": "height",
    "fps": "fps",
    "max_bytes": "max_bytes",
    "video_codec": "codec",
    "container": "container",
    "audio": "audio",
}
"""The command's option for each field of an output."""


def run(arguments: argparse.Namespace, server: ForkServer) -> int:
    """Cut, place the clip at OUT, print the report. Exit with 2 on wrong arguments."""
    try:
        return _run(arguments, server)
    except ValueError as error:
        print(f"usage: {error}", file=sys.stderr)
        return EXIT_USAGE


def _run(arguments: argparse.Namespace, server: ForkServer) -> int:
    start, end = _point("START", arguments.start), _point("END", arguments.end)
    if end <= start:
        raise ValueError("END must be greater than START")
    # The engine's processes have a working directory of their own.
    source, output = arguments.source.absolute(), arguments.output.absolute()
    if not output.parent.is_dir():
        raise ValueError(f"the folder {output.parent} does not exist")
    asked = _effects(arguments.effects)
    with _naming(arguments.effects):
        effects, first, last = asked.within(round(float(end - start), 9))
    start, end = start + exact(first), start + exact(last) if last < end - start else end
    mode, wanted = requested(arguments, output, effects)
    with _naming(arguments.effects):
        wanted = asked.output(wanted)
    with open_path(source) as file:
        _check_output(output, file, force=arguments.force)
        spec = CutSpec(source, start, end, mode, arguments.quality, wanted, effects)
        interruption = Interruption()
        clip = until_stopped(
            partial(_cut, arguments, server, spec, file, output, interruption),
            partial(interruption.set, Reason.CANCELLED),
            grace=STOP_SECONDS,
        )
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # the output's name may be in any encoding
    if arguments.json:
        print(clip.report.model_dump_json(exclude_none=True, indent=2))
    else:
        print(_summary(clip, arguments.output))
    return EXIT_OK


def _cut(
    arguments: argparse.Namespace,
    server: ForkServer,
    spec: CutSpec,
    source: SourceFile,
    output: Path,
    interruption: Interruption,
) -> Clip:
    """Cut the clip and place it. A cancelled cut leaves no files."""
    engine = Engine(EngineSettings(ffmpeg=arguments.ffmpeg, encoder=arguments.encoder), server)
    try:
        engine.start(encodes=spec.mode == "encode")
        # In the output's folder, so that the last step is a rename within one file system.
        with (
            tempfile.TemporaryDirectory(prefix=".clipping-", dir=output.parent) as name,
            _named_in_utf8(Path(name)) as folder,
        ):
            clip = engine.cut(spec, folder, progress=_bar, interruption=interruption, source=source)
            _place(clip.path, output, force=arguments.force)
            return clip
    except FileExistsError:
        raise ObjectExists(f"{output} was created meanwhile; give --force to replace it") from None
    except OSError as error:
        raise NoSpace(f"{output} can't be written: {error.strerror}") from None
    finally:
        engine.close()


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


def _effects(path: Path | None) -> AskedEffects:
    """The effects in a file. Raises `ValueError` that names the file and the field."""
    try:
        given = {} if path is None else read_object(path, example=EFFECTS)
    except ValueError as error:
        raise ValueError(f"--effects {error}") from None
    with _naming(path):
        return parse_effects(given)


@contextmanager
def _naming(path: Path | None) -> Iterator[None]:
    """What is wrong with the effects in a file is a `ValueError` that names it."""
    try:
        yield
    except InvalidRequest as error:
        message = error.message.replace("output.audio", "--no-audio")
        raise ValueError(f"--effects {path}: {message}") from None


def requested(
    arguments: argparse.Namespace, target: Path, effects: Effects = NO_EFFECTS
) -> tuple[Mode, Output]:
    """The mode and the output from the options. Raises `ValueError` if they contradict each other."""
    given = {name: getattr(arguments, option) for name, option in _OPTIONS.items()}
    given = {name: value for name, value in given.items() if value is not None}
    try:
        mode: Mode = arguments.mode or default_mode(
            {"output_quality": arguments.quality, "output": given, "effects": effects}
        )
        extension = target.suffix.removeprefix(".")
        if mode == "encode" and extension in get_args(ContainerName):
            given.setdefault("container", extension)
        output = Output(**given)
        check_mode(mode, output, effects)
        check_size(output, effects)
    except ValidationError as error:
        problem = first_problem(error)
        raise ValueError(f"--{_OPTIONS[problem.field or ''].replace('_', '-')}: {problem.message}") from None
    except InvalidRequest as error:
        message = re.sub(r"\boutput\.(\w+)", _flag, error.message)
        raise ValueError(f"--{message}" if error.field == "mode" else message) from None
    return mode, output


def _flag(found: re.Match[str]) -> str:
    return f"--{_OPTIONS[found[1]].replace('_', '-')}"


def _point(name: str, text: str) -> Fraction:
    try:
        return exact(parse_seconds(text))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _check_output(output: Path, source: SourceFile, *, force: bool) -> None:
    """Raises `ValueError` if a clip may not be placed there; the recording itself is never replaced."""
    try:
        there = output.stat()
    except FileNotFoundError:
        if output.is_symlink():
            raise ValueError(f"-o {output} is a broken symlink; choose another file") from None
        return
    except OSError as error:
        raise ValueError(f"-o {output} can't be used: {error.strerror}") from None
    if (there.st_dev, there.st_ino) == (source.identity.device, source.identity.inode):
        raise ValueError(f"-o {output} is the recording itself; choose another file")
    if not stat.S_ISREG(there.st_mode):
        raise ValueError(f"-o {output} is not a regular file; choose another file")
    if not force:
        raise ValueError(f"-o {output} exists; choose another file, or replace it with --force")


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


def _bar(stage: Stage, percent: float) -> None:
    if sys.stderr.isatty():
        filled = int(percent / 100 * BAR)
        end = "\n" if percent >= 100 else ""
        print(f"\r{stage:10} [{'#' * filled:{BAR}}] {percent:5.1f} %", end=end, file=sys.stderr, flush=True)


def _summary(clip: Clip, output: Path) -> str:
    report = clip.report
    lines = [
        f"{output}: {clip.duration:.3f} s, {clip.size / 1e6:.1f} MB, {report.frames} frames, {report.mode}",
        f"from {format_seconds(report.actual.start)} to {format_seconds(report.actual.end)}"
        f" ({report.keyframe_lead_seconds:.3f} s before the in-point)",
        f"video {report.video.codec} {report.video.width}x{report.video.height} {report.video.fps:.3f} fps",
        *(f"audio {track.codec} {track.language or ''}".rstrip() for track in report.audio),
        *(f"dropped: stream {s.index} ({s.codec}): {s.reason}" for s in report.dropped_streams),
        *([f"encoder {report.encoder}"] if report.encoder else []),
        *(f"note: {warning}" for warning in report.warnings),
    ]
    if output.suffix != f".{clip.extension}":
        lines.append(f"note: this is a .{clip.extension} file, although its name ends otherwise")
    return "\n".join(lines)
