"""`clipping`: the client's command line. Other packages add commands through the entry point group
`clipping.commands` (the local stack's `up`), as this package imports nothing of ours.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from clipping import __version__
from clipping.exits import exit_code
from clipping.signals import quiet_interrupts

GROUP = "clipping.commands"


@dataclass(frozen=True)
class Command:
    """A subcommand: its help, its arguments, and what it does (the exit code is returned)."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the operation failed, 2 usage, 78 configuration, 130 SIGINT, 143 SIGTERM."""
    with quiet_interrupts():
        return exit_code(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="clipping", description="Clips out of long recordings.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for entry in _needed(words):
        try:
            command: Command = entry.load()
        except ImportError as error:  # installed without the extra that this command needs
            print(f"clipping: `{entry.name}` is not available: {error}", file=sys.stderr)
            continue
        sub = commands.add_parser(entry.name, help=command.help, description=command.help)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    arguments = parser.parse_args(words)
    return int(arguments.run(arguments))


def _needed(words: Sequence[str]) -> list[EntryPoint]:
    """The command that is meant, or all for whoever wants to know: loading what others need takes seconds."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    meant = [entry for entry in entries if words and entry.name == words[0]]
    return meant or entries


if __name__ == "__main__":
    sys.exit(main())
