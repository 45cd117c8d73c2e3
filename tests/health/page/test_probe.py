"""Checks that hang, fail and recover."""

from __future__ import annotations

import threading

from clipping.clock import ManualClock
from clipping.errors import SourceUnavailable
from health.page.probe import Probe
from tests.support.waiting import eventually


class Nas:
    """Something to look at, that a test can break."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.looks = 0

    def look(self) -> str:
        self.looks += 1
        self.answers.wait(60)
        if self.trouble is not None:
            raise self.trouble
        return "mounted"


def probe(nas: Nas, clock: ManualClock) -> Probe:
    made = Probe("nas", nas.look, interval=0.01, limit=3.0, clock=clock)
    made.start()
    return made


def test_a_check_says_what_was_seen_and_recovers() -> None:
    nas = Nas()
    one = probe(nas, ManualClock())
    assert one.wait_first(10)
    assert (one.check().ok, one.check().detail) == (True, "mounted")
    nas.trouble = SourceUnavailable("is the NAS mounted?")
    eventually(lambda: not one.check().ok, "the check to fail")
    assert one.check().detail == "is the NAS mounted?"
    nas.trouble = None
    eventually(lambda: one.check().ok, "the check to recover")
    one.close()


def test_a_look_that_hangs_fails_the_check_and_costs_one_thread() -> None:
    nas, clock = Nas(), ManualClock()
    nas.answers.clear()
    one = probe(nas, clock)
    assert not one.wait_first(0)
    assert one.check().detail == "not looked at yet"
    eventually(lambda: nas.looks == 1, "the look")
    clock.advance(4)
    assert (one.check().ok, one.check().detail) == (False, "no answer for 4 s")
    clock.advance(60)
    assert one.check().detail == "no answer for 64 s"
    assert nas.looks == 1
    nas.answers.set()
    eventually(lambda: one.check().ok, "the check to recover")
    one.close()


def test_a_look_can_be_hurried_and_a_failed_one_is_repeated_when_it_should_be() -> None:
    nas = Nas()
    one = Probe("nas", nas.look, interval=3600.0, again=3600.0, limit=3.0, clock=ManualClock())
    one.start()
    assert one.wait_first(10)
    nas.trouble = SourceUnavailable("gone")
    one.hurry()
    eventually(lambda: not one.check().ok, "the look that was hurried")
    assert nas.looks == 2
    one.close()
    soon = Probe("nas", nas.look, interval=3600.0, again=0.01, limit=3.0, clock=ManualClock())
    soon.start()
    eventually(lambda: nas.looks > 4, "the looks after a failed one")
    soon.close()


def test_a_check_says_whether_an_agent_without_it_may_lead() -> None:
    nas = Nas()
    for essential, bars_lead, needed in ((True, False, True), (False, True, True), (False, False, False)):
        one = Probe(
            "nas",
            nas.look,
            interval=1,
            limit=3.0,
            clock=ManualClock(),
            essential=essential,
            bars_lead=bars_lead,
        )
        assert one.check().needed_to_lead is needed


def test_a_check_with_a_fault_of_its_own_has_failed() -> None:
    nas = Nas()
    nas.trouble = ZeroDivisionError("oops")
    one = probe(nas, ManualClock())
    assert one.wait_first(10)
    assert not one.check().ok
    assert "oops" in one.check().detail
    nas.trouble = None
    eventually(lambda: one.check().ok, "the check to recover: its thread lives")
    one.close()
