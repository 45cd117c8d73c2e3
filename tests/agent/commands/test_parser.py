from __future__ import annotations

import argparse
from pkgutil import resolve_name

import pytest

from agent.commands.parser import _parser
from tests.support.imports import libraries_of

SUBPARSERS = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))


def test_help_loads_no_libraries() -> None:
    lines = [["--help"], ["--version"], *([name, "--help"] for name in SUBPARSERS.choices)]
    loaded = libraries_of("agent.cli", lines)
    assert loaded == {" ".join(words): set() for words in lines}


def test_checking_the_configuration_loads_no_clouds_and_no_engine() -> None:
    # YAML only where there is a file or a variable to parse.
    assert libraries_of("agent.cli", [["check-config"]]) == {"check-config": {"pydantic"}}


@pytest.mark.parametrize("name", SUBPARSERS.choices)
def test_every_command_has_its_function(name: str) -> None:
    assert callable(resolve_name(SUBPARSERS.choices[name].get_default("run")))
