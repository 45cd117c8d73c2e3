"""What `clipping-agent reel` does once the engine's process is being started."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path
from typing import Any, get_args

from agent.commands.engine_run import check_output, checked, made, print_report, show_bar
from agent.cutting import Clip, Engine, Interruption
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import open_path
from agent.specs import reel_spec
from clipping.contract.choices import ContainerName
from clipping.contract.json_file import MAX_BYTES, object_of, read_object
from clipping.contract.reel import ReelRequest, parse_reel_request, table_of
from clipping.contract.reel_parts import ReelPart
from clipping.errors import InvalidRequest
from clipping.exits import EXIT_OK

EXAMPLE = '{"clips": [{"nas_video_path": "night.mp4", "start_seconds": 60, "end_seconds": 75}]}'
STDIN = Path("-")
_NAME = "reel"
"""The `reel_id` of a request that has none: it is the service that needs one."""


def run(arguments: argparse.Namespace, server: ForkServer) -> int:
    """Make the reel, place it at OUT, print the report. Exit with 2 on wrong arguments."""
    return checked(lambda: _run(arguments, server))


def _run(arguments: argparse.Namespace, server: ForkServer) -> int:
    output, table = arguments.output.absolute(), arguments.tsv
    request = _request(arguments.request, output)
    recordings = [_file_of(part, index) for index, part in enumerate(request.clips)]
    check_output("-o", output, recordings, force=arguments.force)
    beside = {}
    if table is not None:
        if table.absolute() == output:
            raise ValueError(f"--tsv {table} is the reel's own file; choose another one")
        check_output("--tsv", table.absolute(), recordings, force=arguments.force)
        beside[table.absolute()] = table_of(request)

    def make(engine: Engine, folder: Path, interruption: Interruption) -> Clip:
        return engine.reel(
            reel_spec(request),
            folder,
            open_part=lambda index: open_path(recordings[index]),
            progress=show_bar,
            interruption=interruption,
        )

    # Parts that can't be joined as they are get encoded, whatever the mode.
    reel = made(arguments, server, make, encodes=True, beside=beside)
    print_report(reel, arguments)
    return EXIT_OK


def _request(file: Path, output: Path) -> ReelRequest:
    """The request in the file, with absolute paths. Raises `ValueError` that names the file and the field."""
    if file == STDIN:
        name, folder = "stdin", Path.cwd()
        body = object_of(sys.stdin.buffer.read(MAX_BYTES + 1), name, example=EXAMPLE)
    else:
        name, folder = str(file), file.absolute().parent
        body = read_object(file, example=EXAMPLE)
    body.setdefault("reel_id", _NAME)
    if isinstance(body.get("clips"), list):
        body["clips"] = [_located(part, folder) for part in body["clips"]]
    try:
        request = parse_reel_request(body, max_reel_seconds=math.inf, max_clip_seconds=math.inf)
    except InvalidRequest as error:
        raise ValueError(f"{name}: {error.message}") from None
    extension = output.suffix.removeprefix(".")
    if request.mode != "encode" or request.output.container or extension not in get_args(ContainerName):
        return request
    return request.model_copy(update={"output": request.output.model_copy(update={"container": extension})})


def _file_of(part: ReelPart, index: int) -> Path:
    if part.nas_video_path is None:
        raise ValueError(f"clips[{index}].source_uri is for the service: name a file by nas_video_path")
    return Path(part.nas_video_path)


def _located(part: Any, folder: Path) -> Any:
    """A part (still unchecked) whose path is absolute: it is relative to the request's file."""
    if not isinstance(part, dict) or not isinstance(part.get("nas_video_path"), str):
        return part
    return {**part, "nas_video_path": os.path.abspath(folder / part["nas_video_path"])}
