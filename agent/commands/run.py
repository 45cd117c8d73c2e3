"""`clipping-agent run`: the daemon."""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from agent import daemon
from agent.checks.own_files import KEY_FILE, check_key_file
from agent.commands.configuration import load
from agent.settings import Settings
from clipping import log
from clipping.config import Config


def run(arguments: argparse.Namespace) -> NoReturn:
    """Serve until SIGTERM."""
    settings = Settings(load(arguments), lambda: load(arguments))
    settings.follow(_set_up_log)
    _set_up_log(settings.current)
    key_file = os.environ.get(KEY_FILE)
    # A missing one is checked again and again. Google's libraries crash on one that is there but unreadable.
    if key_file and os.path.exists(key_file):
        check_key_file(KEY_FILE, key_file)
    daemon.run(settings, announce=_print_line if arguments.json else lambda line: None)


def _set_up_log(loaded: Config) -> None:
    log.set_up(loaded.log.format, loaded.log.level, identifier="clipping-agent")


def _print_line(line: str) -> None:
    print(line, flush=True)
