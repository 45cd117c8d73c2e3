"""What `clipping up` does: starts the whole service, and reports its problems until a signal."""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from clipping.errors import ConfigurationError
from clipping.exits import EXIT_OK
from clipping.release import Patience
from clipping.signals import StopSignals
from embedded.layout import Layout
from embedded.stack import Stack
from embedded.storage import apply_options
from embedded.warnings import MIN_REPEATS, Warnings

WATCH_SECONDS = 5.0
"""Interval of polling the agents' problems; at first `FIRST_SECONDS`."""
FIRST_SECONDS = 1.0


def run(arguments: argparse.Namespace) -> int:
    """Start the stack, print its addresses, and stop it on SIGINT or SIGTERM, also during the start."""
    signals = StopSignals()
    over = _overlay(arguments.config)
    apply_options(arguments, over)
    layout = Layout(arguments.data, Patience(_report, stopped=signals.pending))
    stack = Stack(
        layout,
        nas_roots=_roots(arguments.nas_roots, layout),
        port=arguments.port,
        agents=_at_least_one(arguments.agents),
        over=over,
        notify=_report,
        signals=signals,
    )
    stack.start()
    try:
        print(json.dumps(stack.describe()) if arguments.json else _summary(stack.describe()), flush=True)
        _watch(stack, signals)
        _report("stopping: agents finish the clips in flight (Ctrl-C again: requeue them and stop now)")
    finally:
        stack.stop()
    return EXIT_OK


def _watch(stack: Stack, signals: StopSignals) -> None:
    """Print the problems that the agents report, until a signal."""
    warnings = Warnings()
    for poll in itertools.count(1):
        for line in warnings.news(stack.reasons()):
            _report(line)
        if signals.wait(FIRST_SECONDS if poll < MIN_REPEATS else WATCH_SECONDS) is not None:
            return


def _report(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _roots(given: list[Path] | None, layout: Layout) -> list[Path]:
    if not given:
        return [layout.recordings()]
    missing = [
        f"--nas-root: {root} is not a folder: create it, or pass another one"
        for root in given
        if not root.is_dir()
    ]
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


def _summary(where: dict[str, Any]) -> str:
    root = shlex.quote(where["nas_roots"][0])
    return "\n".join(
        [
            "Clipping is up. Ctrl-C stops it.",
            "",
            f"  API         {where['api_url']}   (try it out: {where['docs_url']})",
            f"  console     {where['console_url']}#key={where['api_key']}",
            f"  client key  {where['api_key']}   (requests, status, downloads)",
            f"  admin key   {where['admin_key']}   (also clipping agents and clipping failover)",
            f"  recordings  {', '.join(where['nas_roots'])}",
            *(f"  {agent['agent_id']:11} {agent['health_url']}" for agent in where["agents"]),
            f"  data, logs  {where['data']}",
            *([f"  clips       {where['store']}"] if "store" in where else []),
            "",
            "In another terminal:",
            f"  export CLIPPING_URL={where['api_url']} CLIPPING_KEY={where['api_key']}",
            f"  {_program()} request {root}/FILE 0:10 0:20 --hand-id hand-1 --wait",
        ]
    )


def _program() -> str:
    """The command for `clipping`: its path, unless it is on PATH."""
    return "clipping" if shutil.which("clipping") else shlex.quote(sys.argv[0])
