from __future__ import annotations

from pkgutil import resolve_name

import pytest

from api.process.commands import _parser
from tests.support.imports import libraries_of


def test_help_loads_no_libraries() -> None:
    lines = [["--help"], ["--version"], ["serve", "--help"], ["migrate", "--help"], ["health", "--help"]]
    assert libraries_of("api.cli", lines) == {" ".join(words): set() for words in lines}


@pytest.mark.parametrize("name", ["serve", "migrate", "health"])
def test_every_command_has_its_function(name: str) -> None:
    assert callable(resolve_name(_parser().parse_args([name]).run))
