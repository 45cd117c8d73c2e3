"""What `clipping-agent cut` does once the engine's process is being started."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from agent.commands.engine_run import (
    check_output,
    checked,
    made,
    planned,
    print_plan,
    print_report,
    show_bar,
)
from agent.cutting import Clip, CutSpec, Engine, Interruption
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import open_path
from clipping.contract.choices import ContainerName, Mode
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.effects_forms import AskedEffects, parse_effects
from clipping.contract.effects_options import read_effects
from clipping.contract.modes import check_mode, check_size, default_mode
from clipping.contract.output import Output
from clipping.contract.problems import first_problem
from clipping.errors import InvalidRequest
from clipping.exits import EXIT_OK
from clipping.timecode import exact, parse_seconds

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
    """Cut, place the clip at OUT, print the report; or print the plan. Exit with 2 on wrong arguments."""
    return checked(lambda: _run(arguments, server))


def _run(arguments: argparse.Namespace, server: ForkServer) -> int:
    start, end = _point("START", arguments.start), _point("END", arguments.end)
    if end <= start:
        raise ValueError("END must be greater than START")
    # The engine's processes have a working directory of their own.
    source, output = arguments.source.absolute(), _output(arguments)
    asked = _effects(arguments)
    with _naming(arguments):
        effects, first, last = asked.within(round(float(end - start), 9))
    start, end = start + exact(first), start + exact(last) if last < end - start else end
    mode, wanted = requested(arguments, output, effects)
    with _naming(arguments):
        wanted = asked.output(wanted)
    spec = CutSpec(source, start, end, mode, arguments.quality, wanted, effects)
    with open_path(source) as file:
        if arguments.plan:
            print_plan(planned(arguments, server, spec, file), arguments)
            return EXIT_OK
        check_output("-o", output, [file.path], force=arguments.force)

        def make(engine: Engine, folder: Path, interruption: Interruption) -> Clip:
            return engine.cut(spec, folder, progress=show_bar, interruption=interruption, source=file)

        clip = made(arguments, server, make, encodes=mode == "encode")
    print_report(clip, arguments)
    return EXIT_OK


def _output(arguments: argparse.Namespace) -> Path:
    if arguments.output is not None:
        found: Path = arguments.output.absolute()
        return found
    if not arguments.plan:
        raise ValueError("-o is required: the file to write, or --plan to write nothing")
    return Path(os.devnull)


def _effects(arguments: argparse.Namespace) -> AskedEffects:
    """The effects in files. Raises `ValueError` that names the file and the field."""
    given = read_effects(arguments.effects, arguments.captions, arguments.captions_mode)
    with _naming(arguments):
        return parse_effects(given)


@contextmanager
def _naming(arguments: argparse.Namespace) -> Iterator[None]:
    """What is wrong with the effects in a file is a `ValueError` that names it."""
    try:
        yield
    except InvalidRequest as error:
        message = error.message.replace("output.audio", "--no-audio")
        if arguments.captions is not None and error.field == "effects.captions.text":
            raise ValueError(f"--captions {arguments.captions}{message.removeprefix(error.field)}") from None
        raise ValueError(f"--effects {arguments.effects}: {message}") from None


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
