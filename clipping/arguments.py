"""What the command lines share: parsing arguments, and loading what they name."""

from __future__ import annotations

import argparse
import gc
import re
import sys
from collections.abc import Iterable
from pkgutil import resolve_name
from typing import Any


class Parser(argparse.ArgumentParser):
    """Parses a word that starts like a negative number, such as `-0:10`, as a value and not as an option.

    Python 3.14 does so by default; earlier versions only for plain numbers.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")


class _Version(argparse.Action):
    """Prints the version, which is not read for any other command."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from clipping import __version__

        sys.stdout.write(__version__ + "\n")
        parser.exit()


def add_version(parser: argparse.ArgumentParser) -> None:
    """`--version`."""
    parser.add_argument(
        "--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="show the version and exit"
    )


def a_moment(text: str) -> str:
    """Check an argument such as 255.5 or 3:24:15.5, and return it unchanged."""
    from clipping.timecode import parse_seconds

    try:
        parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    return text


def unknown_command(name: str, known: Iterable[str]) -> str:
    """The error message for an unknown command, with the closest known one."""
    import difflib

    meant = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"unknown command {name!r}" + (f": did you mean {meant[0]!r}?" if meant else "")


def load(name: str) -> Any:
    """A `module:function` or a module, for which this may import most of the program.

    Without garbage collection, as what imports create stays: the collector would inspect it again and again
    meanwhile, a sixth of the whole time, and at every full collection afterwards.
    """
    gc.disable()
    try:
        return resolve_name(name)
    finally:
        gc.freeze()
        gc.enable()
