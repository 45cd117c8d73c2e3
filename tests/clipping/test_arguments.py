from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipping.arguments import load

PROGRAM = "import gc\ndef main(): return collected\ncollected = gc.isenabled()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    gc.unfreeze()


def test_nothing_is_collected_while_a_program_is_imported(folder: Path) -> None:
    (folder / "collecting_program.py").write_text(PROGRAM)
    assert load("collecting_program:main")() is False
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0


def test_a_failed_import_is_raised(folder: Path) -> None:
    (folder / "failing_program.py").write_text("import no_such_module")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        load("failing_program:main")
    assert gc.isenabled()
