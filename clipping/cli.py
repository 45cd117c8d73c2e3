"""`clipping`: the client's command line. Other packages add commands (such as the local stack's `up`) through
the entry point group `clipping.commands`, as this package imports no other one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from clipping.arguments import Parser, add_version, load, unknown_command
from clipping.exits import EXIT_USAGE, exit_code
from clipping.signals import quiet_interrupts

GROUP = "clipping.commands"
_OWN = {
    "request": "asking:COMMAND",
    "plan": "asking:PLAN",
    "reel": "reels:REEL",
    "annotate": "reels:ANNOTATE",
    "status": "looking:STATUS",
    "watch": "watching:COMMAND",
    "list": "looking:LIST",
    "batch": "batch:COMMAND",
    "cancel": "looking:CANCEL",
    "retry": "looking:RETRY",
    "recordings": "finding:COMMAND",
    "download": "saving:COMMAND",
    "upload": "uploading:COMMAND",
    "stats": "stats:COMMAND",
    "completion": "completing:COMMAND",
    "agents": "leading:AGENTS",
    "failover": "leading:FAILOVER",
}
"""The commands of this package: known without what is installed."""


@dataclass(frozen=True)
class Command:
    """A subcommand. Importing it loads only what its help and arguments need."""

    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: str
    """The `module:function` that runs it and returns the exit code; imported when the command runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the operation failed, 2 usage, 78 configuration, 130 SIGINT, 143 SIGTERM."""
    with quiet_interrupts():
        return exit_code(lambda: _run(list(sys.argv[1:] if argv is None else argv)))


def _run(words: list[str]) -> int:
    entries = all_commands()
    names = [entry.name for entry in entries]
    if words and not words[0].startswith("-"):
        if words[0] not in names:
            print(
                f"clipping: error: {unknown_command(words[0], names)}; see clipping --help", file=sys.stderr
            )
            return EXIT_USAGE
        entries = [entry for entry in entries if entry.name == words[0]]
    arguments = parser_of(entries).parse_args(words)
    try:
        run = load(arguments.run)
    except ImportError as error:  # installed without the extra that this command needs
        print(f"clipping: `{words[0]}` is not available: {error}", file=sys.stderr)
        return EXIT_USAGE
    return int(run(arguments))


def all_commands() -> list[EntryPoint]:
    """The commands of all packages, by name."""
    own = [EntryPoint(name, f"clipping.commands.{where}", GROUP) for name, where in _OWN.items()]
    others = [entry for entry in entry_points(group=GROUP) if entry.name not in _OWN]
    return sorted([*own, *others], key=lambda entry: entry.name)


def parser_of(entries: Sequence[EntryPoint]) -> Parser:
    """The command line with these commands."""
    parser = Parser(prog="clipping", description="Cut clips from long recordings.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for entry in entries:
        command: Command = entry.load()
        sub = commands.add_parser(entry.name, help=command.help, description=command.help)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
