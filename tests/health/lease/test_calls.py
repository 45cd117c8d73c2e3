from __future__ import annotations

import threading

import pytest

from clipping.clock import ManualClock
from clipping.errors import StoreUnavailable, VersionMismatch
from health.lease.calls import CALLS_AT_ONCE, Pending, Slot, ThreadCalls
from tests.health.scripted import ScriptedCalls
from tests.support.waiting import eventually


def test_a_call_runs_in_a_thread_and_wakes_the_caller() -> None:
    woken, names = threading.Event(), list[str]()
    calls = ThreadCalls(woken.set)
    pending: Pending[int] = calls.submit("sum", lambda: names.append(threading.current_thread().name) or 42)
    assert woken.wait(30)
    assert pending.result() == 42
    assert names == ["cluster-sum"]


def test_the_result_raises_the_error_of_the_call() -> None:
    def fail() -> None:
        raise VersionMismatch("another")

    pending = ThreadCalls(lambda: None).submit("fail", fail)
    eventually(lambda: pending.done)
    with pytest.raises(VersionMismatch):
        pending.result()


def test_calls_that_never_return_do_not_pile_up() -> None:
    over = threading.Event()
    calls = ThreadCalls(lambda: None)
    stuck = [calls.submit("stuck", lambda: over.wait(60)) for _ in range(CALLS_AT_ONCE)]
    refused = calls.submit("more", lambda: True)
    assert refused.done
    with pytest.raises(StoreUnavailable, match="have not returned"):
        refused.result()
    over.set()
    eventually(lambda: all(pending.done for pending in stuck))
    again = calls.submit("again", lambda: True)
    eventually(lambda: again.done)
    assert again.result()


def test_a_slot_times_out_and_keeps_the_time_of_sending() -> None:
    clock = ManualClock()
    clock.advance(100)
    slot: Slot[int] = Slot(ScriptedCalls("lost"), clock, 5.0)
    assert slot.submit("x", lambda: 1) == 100.0
    clock.advance(4.9)
    assert not slot.ready()
    assert slot.due == 105.0
    clock.advance(0.1)
    assert slot.ready()
    with pytest.raises(StoreUnavailable, match="within 5 s"):
        slot.take()
    assert not slot.busy


def test_a_result_that_is_there_counts_even_after_the_time_limit() -> None:
    clock = ManualClock()
    slot: Slot[int] = Slot(ScriptedCalls(), clock, 5.0)
    slot.submit("x", lambda: 1)
    clock.advance(90)  # the process was stopped meanwhile
    assert slot.take() == 1
