"""`clipping up`: the whole service on this machine, with no cloud account."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from clipping.cli import Command
from clipping.errors import ConfigurationError
from clipping.exits import EXIT_OK
from clipping.release import Patience
from clipping.signals import StopSignals
from embedded.layout import Layout
from embedded.stack import Stack

DEFAULT_DATA = Path("clipping-data")


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping up`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="everything is kept here (default: ./%(default)s); started again, it goes on where it was",
    )
    parser.add_argument(
        "--nas-root",
        type=Path,
        action="append",
        metavar="DIR",
        dest="nas_roots",
        help="a folder that clips may be cut from; may be repeated (default: DATA/recordings)",
    )
    parser.add_argument("--port", type=int, default=8000, help="the API's port; 0 picks a free one")
    parser.add_argument(
        "--agents",
        type=int,
        default=2,
        help="the first leads and the others stand by; with ha.mode: pool in --config all share the work "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML laid over the generated configuration"
    )
    parser.add_argument("--json", action="store_true", help="say where things are as one line of JSON")


def run(arguments: argparse.Namespace) -> int:
    """Start, say where things are, stay until SIGINT or SIGTERM, stop. A signal ends the start, too."""
    signals = StopSignals()
    layout = Layout(arguments.data, Patience(_tell, stopped=signals.pending))
    stack = Stack(
        layout,
        nas_roots=_roots(arguments.nas_roots, layout),
        port=arguments.port,
        agents=_at_least_one(arguments.agents),
        over=_overlay(arguments.config),
        told=_tell,
        signals=signals,
    )
    stack.start()
    try:
        print(json.dumps(stack.describe()) if arguments.json else _told(stack.describe()), flush=True)
        signals.wait()
        _tell("stopping: agents finish the clips in hand")
    finally:
        stack.stop()
    return EXIT_OK


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _roots(given: list[Path] | None, layout: Layout) -> list[Path]:
    if not given:
        return [layout.recordings()]
    missing = [f"--nas-root: {root} is not a folder" for root in given if not root.is_dir()]
    if missing:
        raise ConfigurationError(missing)
    return [root.resolve() for root in given]


def _at_least_one(agents: int) -> int:
    if not 1 <= agents <= 16:
        raise ConfigurationError(["--agents: must be 1 to 16"])
    return agents


def _overlay(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        loaded = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError([f"{path}: {error}"]) from None
    if not isinstance(loaded, dict):
        raise ConfigurationError([f"{path}: must be a mapping of sections"])
    return loaded


def _told(where: dict[str, Any]) -> str:
    api, key, root = where["api_url"], where["api_key"], where["nas_roots"][0]
    body = {
        "hand_id": "hand-1",
        "nas_video_path": f"{root}/FILE",
        "start_seconds": "0:10",
        "end_seconds": "0:20",
    }
    return "\n".join(
        [
            "Clipping is up. Ctrl-C stops it.",
            "",
            f"  API         {api}   (try it out: {where['docs_url']})",
            f"  key         {key}",
            f"  recordings  {', '.join(where['nas_roots'])}",
            *(f"  {agent['agent_id']:11} {agent['health_url']}" for agent in where["agents"]),
            f"  data, logs  {where['data']}",
            "",
            "Ask for a clip:",
            f"  curl -s {api}/v1/clip/request -H 'Authorization: Bearer {key}' \\",
            f"    -H 'Content-Type: application/json' -d '{json.dumps(body)}'",
        ]
    )


COMMAND = Command("run the whole service on this machine: no cloud account, no root", configure, run)
