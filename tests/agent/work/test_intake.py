"""The coordinator opens and closes the streams, unless a check keeps them closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from agent.work.inflight import InFlight
from agent.work.intake import Intake
from agent.work.job_state import State
from clipping.clock import ManualClock
from tests.support.waiting import eventually


class Gates:
    """Streams that only remember, and may be slow to shut."""

    def __init__(self, in_flight: InFlight) -> None:
        self._in_flight = in_flight
        self.is_open = False
        self.turns: list[str] = []
        self.gave_back = 0
        self.may_shut = threading.Event()
        self.may_shut.set()

    def open(self) -> None:
        self._in_flight.open()
        self.is_open = True
        self.turns.append("open")

    def shut(self) -> None:
        self.may_shut.wait(30)
        self._in_flight.shut()
        self.is_open = False
        self.turns.append("shut")

    def give_back(self) -> None:
        self.gave_back += 1


class Site:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.in_flight = InFlight()
        self.gates = Gates(self.in_flight)
        self.force = Intake(self.gates, self.in_flight, self.clock, drain_seconds=300.0)
        self.force.start()

    def begun(self) -> None:
        self.force.begin()
        eventually(lambda: self.gates.is_open, "the streams to open")


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.gates.may_shut.set()
    site.force.close()


def test_no_work_is_taken_before_begin(site: Site) -> None:
    assert site.force.idle()
    assert site.in_flight.enter("clip-1", 0.0) is None


def test_a_drain_waits_for_what_is_in_flight(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    assert not site.force.idle()
    site.force.drain(fast=False)
    assert site.in_flight.enter("clip-2", 0.0) is None
    eventually(lambda: not site.gates.is_open, "the streams to shut")
    assert not site.force.idle()
    assert entered[0].state is State.RUNNING
    site.in_flight.leave(entered[0])
    assert site.force.idle()


def test_a_drain_that_takes_too_long_gives_back_what_is_left(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.force.drain(fast=False)
    site.clock.advance(299)
    assert not entered[0].wait(0.5, State.GIVEN_BACK)
    site.clock.advance(2)
    assert entered[0].wait(30, State.GIVEN_BACK)


def test_a_drain_announces_when_it_gives_back(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    interruption = entered[0].interruption
    assert interruption.seconds_left is None
    site.force.drain(fast=False)
    assert interruption.seconds_left == pytest.approx(300, abs=10)
    site.clock.advance(200)
    site.force.drain(fast=False)  # never later
    assert interruption.seconds_left == pytest.approx(300, abs=10)  # the process's clock was not advanced
    site.force.begin()
    assert interruption.seconds_left is None
    site.force.drain(fast=False)
    site.force.rest()
    assert interruption.seconds_left is None


def test_a_rest_finishes_the_clips_in_flight_without_a_time_limit(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.force.rest()
    assert site.in_flight.enter("clip-2", 0.0) is None
    eventually(lambda: not site.gates.is_open, "the streams to shut")
    site.clock.advance(3000)
    assert not entered[0].wait(0.5, State.GIVEN_BACK)
    site.force.drain(fast=False)  # a stop meanwhile has its own time
    site.clock.advance(301)
    assert entered[0].wait(30, State.GIVEN_BACK)


def test_a_second_drain_may_be_faster_and_never_slower(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.force.drain(fast=False)
    site.clock.advance(200)
    site.force.drain(fast=False)
    site.clock.advance(101)
    assert entered[0].wait(30, State.GIVEN_BACK)
    again = site.in_flight
    again.leave(entered[0])
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.force.drain(fast=False)
    site.force.drain(fast=True)
    assert entered[0].wait(30, State.GIVEN_BACK)


def test_an_abort_stops_all_at_once_and_is_over_when_the_streams_are_shut(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.gates.may_shut.clear()
    site.force.abort()
    assert entered[0].state is State.GIVEN_BACK
    site.in_flight.leave(entered[0])
    assert not site.force.idle()
    site.gates.may_shut.set()
    eventually(site.force.idle, "the end")


def test_it_begins_again_after_every_kind_of_end(site: Site) -> None:
    for end in (site.force.abort, lambda: site.force.drain(fast=False), lambda: site.force.drain(fast=True)):
        site.begun()
        end()
        eventually(site.force.idle, "the end")
    site.begun()
    assert site.gates.turns == ["open", "shut"] * 3 + ["open"]


def test_a_held_intake_takes_no_work_and_finishes_the_clips_in_flight(site: Site) -> None:
    site.begun()
    entered = site.in_flight.enter("clip-1", 0.0)
    assert entered is not None
    site.force.hold("the NAS is away")
    eventually(lambda: not site.gates.is_open, "the streams to shut")
    assert site.force.held == "the NAS is away"
    assert entered[0].state is State.RUNNING
    assert not site.force.idle()  # it still leads
    site.force.hold(None)
    eventually(lambda: site.gates.is_open, "the streams to open again")


def test_who_begins_while_held_waits_for_the_release(site: Site) -> None:
    site.force.hold("the disk is full")
    site.force.begin()
    assert site.in_flight.enter("clip-1", 0.0) is None
    site.force.hold(None)
    eventually(lambda: site.gates.is_open, "the streams to open")


def test_the_heartbeat_ages_while_the_loop_is_stalled(site: Site) -> None:
    site.begun()
    site.gates.may_shut.clear()
    site.force.drain(fast=True)
    eventually(lambda: not site.in_flight.jobs(), "the loop to hang")
    site.clock.advance(60)
    eventually(lambda: site.force.heartbeat_age() >= 60 or None, "the age")
    site.gates.may_shut.set()
    eventually(lambda: site.force.heartbeat_age() == 0, "the loop to go on")
