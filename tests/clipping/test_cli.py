from __future__ import annotations

from importlib.metadata import EntryPoint
from pkgutil import resolve_name

import pytest

from clipping.cli import Command, all_commands, main
from tests.support.imports import libraries_of

COMMANDS = [entry.name for entry in all_commands()]


def test_help_and_completion_load_no_libraries() -> None:
    lines = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS), ["completion", "bash"]]
    loaded = libraries_of("clipping.cli", lines)
    assert loaded == {" ".join(words): set() for words in lines}


@pytest.mark.parametrize("entry", all_commands(), ids=COMMANDS)
def test_every_command_has_its_function(entry: EntryPoint) -> None:
    command: Command = entry.load()
    assert callable(resolve_name(command.run))


def test_a_command_without_its_libraries_is_not_available(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError("No module named 'flask'")

    monkeypatch.setattr("clipping.cli.load", missing)
    assert main(["stats"]) == 2
    assert capsys.readouterr().err == "clipping: `stats` is not available: No module named 'flask'\n"
