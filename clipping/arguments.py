"""What our command lines share beyond argparse."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import Any

from clipping.timecode import parse_seconds


class Parser(argparse.ArgumentParser):
    """Takes a word that begins like a negative number, such as `-0:10`, for a value and not for an option.

    Python 3.14 does so by itself; before that, only plain numbers count.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")


def a_moment(text: str) -> str:
    """An argument such as 255.5 or 3:24:15.5, as it was written."""
    try:
        parse_seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None
    return text


def unknown_command(name: str, known: Iterable[str]) -> str:
    """What is said of a command that there is not, with the one that was probably meant."""
    meant = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"there is no command {name!r}" + (f": did you mean {meant[0]!r}?" if meant else "")
