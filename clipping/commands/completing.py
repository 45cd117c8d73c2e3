"""`clipping completion`: shell completion of commands and options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from clipping.cli import Command, all_commands, parser_of
from clipping.commands.common import say
from clipping.exits import EXIT_OK

_SHELLS = {
    "bash": 'eval "$(clipping completion bash)" in ~/.bashrc',
    "zsh": 'clipping completion zsh >"${fpath[1]}/_clipping"',
    "fish": "clipping completion fish >~/.config/fish/completions/clipping.fish",
}
_FILES = frozenset({"FILE", "FILE.csv", "DIR"})


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping completion`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Prints a shell's completion script. To install them:\n\n" + "\n".join(
        f"  {shell:6}{how}" for shell, how in _SHELLS.items()
    )
    parser.add_argument("shell", choices=list(_SHELLS), help="the shell")


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


COMMAND = Command("print a shell's completion script", configure, run)
