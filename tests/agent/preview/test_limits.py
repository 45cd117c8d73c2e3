"""Previews that take all their slots, and what else the agent does meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from agent.preview.slots import Slots
from clipping.errors import Overloaded
from tests.agent.preview.conftest import Viewer
from tests.support.procs import descendants_of, has_open, state_of
from tests.support.waiting import eventually

CALLERS, LOOKS = 16, 20


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
def test_previews_that_hang_never_delay_the_health_page(viewer: Viewer) -> None:
    names = ["night.mp4", "2026/table 7.mp4"]
    for name in names:
        assert viewer.of(name, "/still.jpg").status_code == 200
    workers = [pid for pid in descendants_of(viewer.agent.pid) if has_open(pid, viewer.agent.nas)]
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(CALLERS) as threads:
            calls = [threads.submit(timed, viewer, names[n % 2], 1 + n / 4) for n in range(CALLERS)]
            refused = eventually(lambda: [call.result() for call in calls if call.done()], "a refusal")
            looks = [health(viewer) for _ in range(LOOKS)]
            assert [state_of(pid) for pid in workers] == ["T", "T"]
            resume(workers)
            results = [call.result() for call in calls]
    finally:
        resume(workers)
    assert {(status, after) for status, after, _ in refused} == {(503, "1")}
    served = [seconds for status, _, seconds in results if status == 200]
    assert len(served) >= 2
    assert max(looks) < min(served), "the page answered while all slots were taken"


def resume(workers: list[int]) -> None:
    for pid in workers:
        with suppress(ProcessLookupError):  # one that no call had taken is ended once another is needed
            os.kill(pid, signal.SIGCONT)


def timed(viewer: Viewer, name: str, t: float) -> tuple[int, str | None, float]:
    begun = time.monotonic()
    answer = viewer.of(name, "/still.jpg", t=str(t))
    return answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - begun


def health(viewer: Viewer) -> float:
    begun = time.monotonic()
    assert requests.get(f"{viewer.url}/health", timeout=30).status_code == 200
    return time.monotonic() - begun
