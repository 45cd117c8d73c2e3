"""A cancellation in the store stops the clip in flight."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.work.cancels import Cancels
from agent.work.inflight import InFlight
from agent.work.job_state import State
from clipping.contract.cluster import cancel_key
from clipping.errors import StoreUnavailable
from clipping.store.local import LocalStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_clip_in_flight_is_stopped_within_seconds_and_its_neighbour_is_not(folder: Path) -> None:
    store, in_flight = LocalStore(folder, public_url="http://x"), InFlight()
    in_flight.open()
    entered = [in_flight.enter(name, 0.0) for name in ("clip-1", "clip-2")]
    jobs = [one[0] for one in entered if one is not None]
    cancels = Cancels(store, in_flight)
    cancels.start()
    assert not cancels.asked("clip-1")
    store.replace(cancel_key("clip-1"), b"{}", expected=None)
    assert jobs[0].wait(60, State.CANCELLED)  # it is not given back: its end is published
    assert jobs[1].state is State.RUNNING
    cancels.close()


def test_a_store_that_is_away_delays_a_cancellation(folder: Path) -> None:
    store, in_flight = LocalStore(folder, public_url="http://x"), InFlight()
    in_flight.open()
    entered = in_flight.enter("clip-1", 0.0)
    assert entered is not None
    store.replace(cancel_key("clip-1"), b"{}", expected=None)
    record = next((folder / "objects").rglob("*clip-1*/1"))
    good = record.read_bytes()
    record.write_bytes(b"broken")
    cancels = Cancels(store, in_flight)
    with pytest.raises(StoreUnavailable):
        cancels.asked("clip-1")
    cancels.start()
    assert not entered[0].wait(1.5, State.CANCELLED)
    record.write_bytes(good)
    assert entered[0].wait(60, State.CANCELLED)
    cancels.close()
