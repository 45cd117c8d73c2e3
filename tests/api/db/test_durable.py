"""One flush for many commits, and none too few."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from api.db.durable import SharedFlush


def test_callers_during_a_flush_wait_for_the_next_one(tmp_path: Path) -> None:
    """A FIFO stands for a slow disk: opening it blocks until its other end is opened."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    shared = SharedFlush(str(fifo))
    refused: list[OSError] = []

    def wait() -> None:
        try:
            shared.wait()
        except OSError as error:
            refused.append(error)

    first = threading.Thread(target=wait, name="first")
    first.start()
    first.join(0.3)
    assert first.is_alive()
    fifo.rename(tmp_path / "old")
    (tmp_path / "log").write_bytes(b"x")
    late = [threading.Thread(target=wait, name=f"late-{number}") for number in range(5)]
    for thread in late:
        thread.start()
    late[0].join(0.3)
    assert all(thread.is_alive() for thread in late)
    os.close(os.open(tmp_path / "old", os.O_WRONLY))
    for thread in (first, *late):
        thread.join(30)
        assert not thread.is_alive()
    assert (
        len(refused) == 1
    )  # a FIFO can't be flushed: only the caller that waited for that flush gets the error
    assert shared.flushes == 1


def test_a_failing_disk_is_reported_to_every_caller(tmp_path: Path) -> None:
    shared = SharedFlush(str(tmp_path / "folder" / "log"))
    (tmp_path / "folder").write_bytes(b"")
    for _ in range(3):
        with pytest.raises(OSError):
            shared.wait()
    assert shared.flushes == 0


def test_without_a_log_there_is_nothing_to_flush(tmp_path: Path) -> None:
    SharedFlush(str(tmp_path / "none")).wait()
