"""Checks that hang, fail and recover."""

from __future__ import annotations

import threading

from clipping.clock import ManualClock
from clipping.errors import SourceUnavailable
from health.page.probe import Probe
from tests.support.waiting import eventually


class Nas:
    """A check that a test can break."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.answers = threading.Event()
        self.answers.set()
        self.attempts = 0

    def attempt(self) -> str:
        self.attempts += 1
        self.answers.wait(60)
        if self.trouble is not None:
            raise self.trouble
        return "mounted"


def probe(nas: Nas, clock: ManualClock) -> Probe:
    made = Probe("nas", nas.attempt, interval=0.01, limit=3.0, clock=clock)
    made.start()
    return made


def test_a_check_reports_its_finding_and_recovers() -> None:
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


def test_an_attempt_that_hangs_fails_the_check_and_costs_one_thread() -> None:
    nas, clock = Nas(), ManualClock()
    nas.answers.clear()
    one = probe(nas, clock)
    assert not one.wait_first(0)
    assert one.check().detail == "not checked yet"
    eventually(lambda: nas.attempts == 1, "the attempt")
    clock.advance(4)
    assert (one.check().ok, one.check().detail) == (False, "no answer for 4 s")
    clock.advance(60)
    assert one.check().detail == "no answer for 64 s"
    assert nas.attempts == 1
    nas.answers.set()
    eventually(lambda: one.check().ok, "the check to recover")
    one.close()


def test_an_attempt_can_be_requested_and_a_failed_one_is_repeated_sooner() -> None:
    nas = Nas()
    one = Probe("nas", nas.attempt, interval=3600.0, again=3600.0, limit=3.0, clock=ManualClock())
    one.start()
    assert one.wait_first(10)
    nas.trouble = SourceUnavailable("gone")
    one.check_now()
    eventually(lambda: not one.check().ok, "the attempt that was requested")
    assert nas.attempts == 2
    one.close()
    soon = Probe("nas", nas.attempt, interval=3600.0, again=0.01, limit=3.0, clock=ManualClock())
    soon.start()
    eventually(lambda: nas.attempts > 4, "the attempts after a failed one")
    soon.close()


def test_a_check_knows_whether_its_failure_prevents_leading() -> None:
    nas = Nas()
    for essential, bars_lead, needed in ((True, False, True), (False, True, True), (False, False, False)):
        one = Probe(
            "nas",
            nas.attempt,
            interval=1,
            limit=3.0,
            clock=ManualClock(),
            essential=essential,
            bars_lead=bars_lead,
        )
        assert one.check().needed_to_lead is needed


def test_a_check_that_raises_an_unexpected_error_fails() -> None:
    nas = Nas()
    nas.trouble = ZeroDivisionError("oops")
    one = probe(nas, ManualClock())
    assert one.wait_first(10)
    assert not one.check().ok
    assert "oops" in one.check().detail
    nas.trouble = None
    eventually(lambda: one.check().ok, "the check to recover: its thread lives")
    one.close()
