"""What is shown while the engine works."""

from __future__ import annotations

import sys

import pytest

from agent.commands.engine_run import show_bar
from clipping.contract.messages import PartProgress


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.replace("\r", "\n").splitlines() if line]


def test_the_bar_of_a_reel_names_the_part_at_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    done = [PartProgress(index=n, stage="completed", progress_percent=100) for n in range(10)]
    waiting = [PartProgress(index=9, stage="waiting", progress_percent=0)]
    show_bar("cutting", 40, (*done[:9], PartProgress(index=9, stage="cutting", progress_percent=50)))
    show_bar("verifying", 95, tuple(done))
    show_bar(
        "cutting", 20, (PartProgress(index=0, stage="probing", progress_percent=0), *done[1:9], *waiting)
    )
    first, second, third = lines(capsys)
    assert first.endswith(" 40.0 %  part 10 of 10")
    assert third.rstrip().endswith(" 20.0 %  part 1 of 10")
    assert len({len(line) for line in (first, second, third)}) == 1, "nothing of an earlier line stays"


def test_nothing_is_shown_where_no_terminal_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_bar("cutting", 40)
    assert lines(capsys) == []
