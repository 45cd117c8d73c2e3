"""How much memory a cut may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cutting.process.limits import group_limits, machine_memory, memory_share

GIGABYTE = 1 << 30


@pytest.mark.parametrize(
    ("slots", "machine", "share"),
    [(1, 32, 24), (6, 32, 4), (8, 32, 3), (24, 32, 2), (5, 4, 2), (5, 2, 1.5)],
)
def test_the_memory_is_shared_by_the_slots(slots: int, machine: int, share: float) -> None:
    # At least 2 GB, but never more than three quarters of what there is.
    assert memory_share(slots, machine * GIGABYTE) == share * GIGABYTE


def test_all_slots_share_this_machine() -> None:
    assert memory_share(1) == int(machine_memory() * 0.75)


def test_limits_of_control_groups_and_of_those_above_count(tmp_path: Path) -> None:
    pod = tmp_path / "kubepods" / "pod"
    pod.mkdir(parents=True)
    (pod / "memory.max").write_text("max\n")
    (pod.parent / "memory.max").write_text(f"{2 * GIGABYTE}\n")
    assert list(group_limits("0::/kubepods/pod\n", tmp_path)) == [2 * GIGABYTE]


def test_the_first_version_of_control_groups_counts(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1073741824\n")
    groups = "9:cpu,cpuacct:/\n4:memory:/docker/0123\n0::/\n"
    assert list(group_limits(groups, tmp_path)) == [GIGABYTE]
