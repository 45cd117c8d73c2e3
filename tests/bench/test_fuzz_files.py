"""Damaged recordings result in a clip or in a permanent error that names the cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fuzz_files import KINDS, MODES, made, mutants, run


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return made(tmp_path_factory.mktemp("originals"))


def test_the_same_seed_makes_the_same_mutants(originals: dict[str, bytes]) -> None:
    first, again = (dict(mutants(originals, 7, 2 * len(KINDS))) for _ in range(2))
    assert first == again
    assert first != dict(mutants(originals, 8, 2 * len(KINDS)))
    for name, data in first.items():
        assert data != originals[name.split("-", 2)[2]]


@pytest.mark.slow
def test_a_few_of_each_kind(originals: dict[str, bytes], tmp_path: Path) -> None:
    results = run(originals, 11, len(KINDS), MODES, None)
    assert [result for result in results if result.bad] == []


@pytest.mark.slow
@pytest.mark.exhaustive
def test_many_of_each_kind(originals: dict[str, bytes]) -> None:
    results = run(originals, 12, 2 * len(KINDS), MODES, None)
    assert [result for result in results if result.bad] == []
