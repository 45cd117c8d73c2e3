"""What an instance does by itself."""

from __future__ import annotations

import threading
import time

from api.messaging.periodic import Chore, Chores
from clipping.clock import SystemClock
from clipping.errors import QueueUnavailable
from tests.support.waiting import eventually


def test_a_chore_that_fails_is_done_again_and_does_not_keep_the_others() -> None:
    done: list[str] = []

    def away() -> None:
        done.append("away")
        raise QueueUnavailable("the database does not answer")

    def broken() -> None:
        done.append("broken")
        raise ZeroDivisionError

    chores = Chores(
        [
            Chore("away", 0.05, away),
            Chore("broken", 0.05, broken),
            Chore("good", 0.05, lambda: done.append("good")),
        ],
        SystemClock(),
    )
    chores.start()
    eventually(lambda: min(done.count(name) for name in ("away", "broken", "good")) >= 3)
    chores.stop(10)
    count = len(done)
    time.sleep(0.3)
    assert len(done) == count


def test_a_rare_chore_does_not_hold_up_the_end() -> None:
    chores = Chores([Chore("rare", 3600.0, lambda: None)], SystemClock())
    chores.start()
    began = time.monotonic()
    chores.stop(30)
    assert time.monotonic() - began < 10
    assert "chores" not in {thread.name for thread in threading.enumerate()}
