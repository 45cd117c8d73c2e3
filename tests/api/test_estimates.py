"""How long a clip will take."""

from __future__ import annotations

import pytest

from api.estimates import estimate_seconds


def test_without_history_it_is_a_guess_by_mode() -> None:
    assert estimate_seconds("copy", 100, []) == 2.0
    assert estimate_seconds("encode", 100, []) == 50.0


def test_two_clips_are_no_history() -> None:
    assert estimate_seconds("encode", 100, [(10, 100), (10, 100)]) == 50.0


def test_history_counts_by_its_median_ratio() -> None:
    history = [(10.0, 20.0), (100.0, 100.0), (10.0, 5000.0)]
    assert estimate_seconds("encode", 30, history) == 60.0


@pytest.mark.parametrize("length", [0.001, 1.0])
def test_no_clip_takes_no_time(length: float) -> None:
    assert estimate_seconds("copy", length, [(100, 0.0)] * 3) == 0.5
