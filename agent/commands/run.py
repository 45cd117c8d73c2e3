"""`clipping-agent run`: the daemon."""

from __future__ import annotations

import argparse
from typing import NoReturn

from agent import daemon
from agent.commands.configuration import load
from agent.settings import Settings
from clipping import log
from clipping.config import Config


def run(arguments: argparse.Namespace) -> NoReturn:
    """Serve until SIGTERM."""
    settings = Settings(load(arguments), lambda: load(arguments))
    settings.follow(_set_up_log)
    _set_up_log(settings.current)
    daemon.run(settings, announce=_print_line if arguments.json else lambda line: None)


def _set_up_log(loaded: Config) -> None:
    log.set_up(loaded.log.format, loaded.log.level, identifier="clipping-agent")


def _print_line(line: str) -> None:
    print(line, flush=True)
