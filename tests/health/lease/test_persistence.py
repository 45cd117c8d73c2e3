from __future__ import annotations

import errno
from pathlib import Path

import pytest

from clipping.clock import ManualClock
from clipping.errors import ConfigurationError
from health.lease.persistence import INSTANCES, RETRY_SECONDS, PersistedState, StateFile, StateSaver
from tests.health.scripted import ScriptedCalls


def saver(folder: Path, instance: str) -> StateSaver:
    return StateSaver(StateFile(folder), instance, calls=ScriptedCalls(), clock=ManualClock())


def test_a_process_knows_its_predecessors_and_the_highest_epoch(tmp_path: Path) -> None:
    first = saver(tmp_path, "one")
    assert (first.epoch, first.predecessors) == (0, frozenset())
    first.save_epoch(7)
    second = saver(tmp_path, "two")
    assert (second.epoch, second.predecessors) == (7, frozenset({"one"}))
    second.save_epoch(3)
    assert saver(tmp_path, "three").epoch == 7


def test_the_number_of_instances_is_limited(tmp_path: Path) -> None:
    for number in range(INSTANCES + 5):
        saver(tmp_path, str(number))
    assert len(StateFile(tmp_path).load().instances) == INSTANCES


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"epoch": "x", "instances": []}', b"\xff"])
def test_a_damaged_file_is_replaced(content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cluster.json").write_bytes(content)
    assert StateFile(tmp_path).load() == PersistedState()
    assert "cluster.state_file_damaged" in caplog.text


def test_an_unusable_folder_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="state_dir"):
        saver(tmp_path / "missing", "one")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="state_dir"):
        saver(tmp_path / "file", "one")


class FullDisk(StateFile):
    full = True

    def save(self, state: PersistedState) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().save(state)


def test_a_full_disk_ends_no_agent_and_is_retried(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk, clock = FullDisk(tmp_path), ManualClock()
    kept = StateSaver(disk, "one", calls=ScriptedCalls(), clock=clock)
    assert "cluster.state_file_not_saved" in caplog.text
    kept.save_epoch(5)
    disk.full = False
    kept.save_epoch(5)
    assert StateFile(tmp_path).load() == PersistedState()
    clock.advance(RETRY_SECONDS)
    kept.save_epoch(5)
    assert StateFile(tmp_path).load() == PersistedState(5, ("one",))


def test_a_disk_that_fails_later_is_reported_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = saver(tmp_path, "one")
    in_the_way = tmp_path / "cluster.new"
    in_the_way.mkdir()
    kept.save_epoch(5)
    in_the_way.rmdir()
    kept.save_epoch(6)
    assert "cluster.state_file_not_saved" in caplog.text
    assert StateFile(tmp_path).load().epoch == 6
