from __future__ import annotations

import pytest

from clipping.clock import ManualClock
from clipping.errors import LeaseLost, TransientError
from health.lease.guard import Guard, NoLease


def test_it_is_valid_for_the_deadline_from_the_sending() -> None:
    clock = ManualClock()
    guard = Guard(clock, 20.0)
    assert not guard.valid()
    clock.advance(100)
    guard.renewed(7, sent_at=97.0)
    assert (guard.epoch, guard.remaining()) == (7, 17.0)
    guard.check()
    clock.advance(16.9)
    assert guard.valid()
    clock.advance(0.1)
    assert not guard.valid()


def test_a_late_response_makes_nothing_valid() -> None:
    clock = ManualClock()
    guard = Guard(clock, 20.0)
    clock.advance(60)
    guard.renewed(1, sent_at=30.0)
    assert not guard.valid()


def test_work_without_the_lease_is_given_back() -> None:
    guard = Guard(ManualClock(), 20.0)
    with pytest.raises(LeaseLost) as raised:
        guard.check()
    assert isinstance(raised.value, TransientError)
    assert raised.value.code == "LEASE_LOST"


def test_a_dropped_guard_keeps_its_epoch() -> None:
    guard = Guard(ManualClock(), 20.0)
    guard.renewed(7, sent_at=0.0)
    guard.drop()
    assert not guard.valid()
    assert guard.epoch == 7


def test_without_a_lease_everything_is_allowed() -> None:
    assert NoLease().valid()
    NoLease().check()
    assert NoLease().epoch == 0
