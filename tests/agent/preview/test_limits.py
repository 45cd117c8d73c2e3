"""Previews that take all their slots, and what else the agent does meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from agent.preview.slots import Slots
from clipping.errors import Overloaded
from tests.agent.preview.conftest import Viewer, viewing
from tests.support.procs import descendants_of, has_open, state_of
from tests.support.waiting import eventually

CALLERS, LOOKS = 16, 20
NAME = "night.mp4"


def test_a_call_waits_for_a_slot_and_is_then_refused() -> None:
    slots = Slots(1, patience=0.05)
    with slots.taken():
        with pytest.raises(Overloaded) as refused, slots.taken():
            pass
        assert refused.value.retry_after == 1
    with slots.taken():
        pass


def test_when_as_many_wait_as_work_others_are_refused_at_once() -> None:
    slots = Slots(1, patience=60)
    working = threading.Event()

    def wait() -> None:
        with slots.taken():
            working.set()

    waiting = threading.Thread(target=wait)
    with slots.taken():
        waiting.start()

        def refused() -> bool:
            # A place to wait in is taken as soon as the thread runs; until then this call would wait itself.
            if slots.waits == 0:
                return False
            with pytest.raises(Overloaded), slots.taken():
                pass
            return True

        eventually(refused, "a refusal")
    waiting.join(10)
    assert working.is_set()


def test_calls_in_the_background_leave_a_slot_to_others() -> None:
    slots = Slots(2, patience=0.05)
    with slots.taken(background=True):
        with pytest.raises(Overloaded), slots.taken(background=True):
            pass
        with slots.taken(), pytest.raises(Overloaded), slots.taken():
            pass
    with slots.taken(background=True):
        pass


def test_there_are_threads_for_all_calls_that_wait_and_for_refusing_others() -> None:
    slots, done = Slots(4, patience=60), threading.Event()

    def call(background: bool) -> None:
        with suppress(Overloaded), slots.taken(background=background):
            done.wait(60)

    calls = [threading.Thread(target=call, args=(background,)) for background in (True,) * 6 + (False,) * 5]
    try:
        for each in calls:
            each.start()
        # Three in the background and one other work; the rest wait.
        eventually(lambda: slots.waits == len(calls) - slots.count, "that the others wait")
        assert len(calls) < slots.threads
    finally:
        done.set()
        for each in calls:
            each.join(10)


def test_a_single_slot_is_for_all_calls() -> None:
    slots = Slots(1, patience=0.05)
    with slots.taken(background=True):
        pass
    with slots.taken(), pytest.raises(Overloaded), slots.taken(background=True):
        pass


@pytest.mark.slow
def test_previews_that_hang_never_delay_the_health_page(tmp_path: Path) -> None:
    # With a single slot, there is no idle worker that would be replaced by another one, which answers.
    with viewing(tmp_path, slots=1) as viewer:
        assert viewer.of(NAME, "/still.jpg").status_code == 200
        (worker,) = [pid for pid in descendants_of(viewer.agent.pid) if has_open(pid, viewer.agent.nas)]
        os.kill(worker, signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(CALLERS) as threads:
                calls = [threads.submit(timed, viewer, NAME, 1 + n / 4) for n in range(CALLERS)]
                refused = eventually(lambda: [call.result() for call in calls if call.done()], "a refusal")
                looks = [health(viewer) for _ in range(LOOKS)]
                assert state_of(worker) == "T"
                os.kill(worker, signal.SIGCONT)
                results = [call.result() for call in calls]
        finally:
            os.kill(worker, signal.SIGCONT)
    assert {(status, after) for status, after, _ in refused} == {(503, "1")}
    served = [seconds for status, _, seconds in results if status == 200]
    assert served
    assert max(looks) < min(served), "the page answered while all slots were taken"


def timed(viewer: Viewer, name: str, t: float) -> tuple[int, str | None, float]:
    begun = time.monotonic()
    answer = viewer.of(name, "/still.jpg", t=str(t))
    return answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - begun


def health(viewer: Viewer) -> float:
    begun = time.monotonic()
    assert requests.get(f"{viewer.url}/health", timeout=30).status_code == 200
    return time.monotonic() - begun
