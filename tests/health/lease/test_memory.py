from __future__ import annotations

import errno
from pathlib import Path

import pytest

from clipping.clock import ManualClock
from clipping.errors import ConfigurationError
from health.lease.memory import AGAIN_SECONDS, INSTANCES, Diary, FileMemory, Remembered
from tests.health.scripted import ScriptedCalls


def diary(folder: Path, instance: str) -> Diary:
    return Diary(FileMemory(folder), instance, calls=ScriptedCalls(), clock=ManualClock())


def test_a_process_knows_who_was_it_before_and_how_far_the_epochs_had_come(tmp_path: Path) -> None:
    first = diary(tmp_path, "one")
    assert (first.epoch, first.predecessors) == (0, frozenset())
    first.note(7)
    second = diary(tmp_path, "two")
    assert (second.epoch, second.predecessors) == (7, frozenset({"one"}))
    second.note(3)
    assert diary(tmp_path, "three").epoch == 7


def test_only_so_many_are_remembered(tmp_path: Path) -> None:
    for number in range(INSTANCES + 5):
        diary(tmp_path, str(number))
    assert len(FileMemory(tmp_path).load().instances) == INSTANCES


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"epoch": "x", "instances": []}', b"\xff"])
def test_a_damaged_memory_is_begun_anew(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cluster.json").write_bytes(content)
    assert FileMemory(tmp_path).load() == Remembered()
    assert "cluster.memory_damaged" in caplog.text


def test_a_folder_that_can_not_be_used_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="state_dir"):
        diary(tmp_path / "missing", "one")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="state_dir"):
        diary(tmp_path / "file", "one")


class FullDisk(FileMemory):
    full = True

    def save(self, remembered: Remembered) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().save(remembered)


def test_a_full_disk_ends_no_agent_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk, clock = FullDisk(tmp_path), ManualClock()
    kept = Diary(disk, "one", calls=ScriptedCalls(), clock=clock)
    assert "cluster.memory_not_saved" in caplog.text
    kept.note(5)
    disk.full = False
    kept.note(5)
    assert FileMemory(tmp_path).load() == Remembered()
    clock.advance(AGAIN_SECONDS)
    kept.note(5)
    assert FileMemory(tmp_path).load() == Remembered(5, ("one",))


def test_a_disk_that_fails_later_is_told_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = diary(tmp_path, "one")
    in_the_way = tmp_path / "cluster.new"
    in_the_way.mkdir()
    kept.note(5)
    in_the_way.rmdir()
    kept.note(6)
    assert "cluster.memory_not_saved" in caplog.text
    assert FileMemory(tmp_path).load().epoch == 6
