"""The start benchmark: an idle stack's processes, and its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import start
from bench.measure.meter import Cost


@pytest.mark.slow
def test_every_process_of_an_idle_stack_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "SETTLED_SECONDS", 0.0)
    stack, cost = start.start_stack(tmp_path)
    with stack:
        cpu, memory = start.idle(stack, 0.1)
    assert cost.wall > 0.1
    assert cost.cpu > 0.1
    assert set(cpu) == set(memory) == {"clipping up", "api", "broker", "agent-1", "agent-1's children"}
    assert min(memory.values()) > 1


def test_a_command_is_compared_with_its_control() -> None:
    costs = {
        start.CONTROL: [Cost(0.02, 0.01, 0, 0)],
        start.COPY: [Cost(0.2, 0.1, 0, 0)],
        start.CUT: [Cost(0.5, 0.3, 0, 0), Cost(0.3, 0.5, 0, 0)],
    }
    cut = start.command_table(costs).splitlines()[-1]
    assert cut.removeprefix(start.CUT).split()[:4] == ["400", "2.0x", "400", "4.0x"]


def test_the_idle_table_ends_with_the_sum() -> None:
    rows = start.idle_table({"api": 1.0, "broker": 0.5}, {"api": 60.0, "broker": 40.0}).splitlines()
    assert rows[-1].split() == ["sum", "1.50", "100"]
