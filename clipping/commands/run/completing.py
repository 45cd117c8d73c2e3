"""`clipping completion`: shell completion of commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from clipping.cli import all_commands, parser_of
from clipping.commands.run.common import say
from clipping.exits import EXIT_OK

_FILES = frozenset({"FILE", "FILE.csv", "DIR"})


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    parser = parser_of(all_commands())
    for action in _actions(parser):
        if action.type is Path or action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own attribute
    say(shtab.complete(parser, shell=arguments.shell))
    return EXIT_OK


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
