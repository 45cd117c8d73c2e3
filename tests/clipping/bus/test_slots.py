from __future__ import annotations

import threading
from functools import partial

from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery
from tests.clipping.bus.conftest import Start
from tests.support.waiting import eventually


class Desk:
    """A handler whose messages wait until they are let go one by one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.most = 0
        self.done: list[bytes] = []
        self.go = threading.Semaphore(0)

    def has_done(self, count: int) -> bool:
        return len(self.done) == count

    def __call__(self, delivery: Delivery) -> None:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        assert self.go.acquire(timeout=60)
        delivery.acknowledge()
        with self.lock:
            self.running -= 1
            self.done.append(delivery.data)


def test_no_more_handlers_run_than_there_are_slots(topic: str, publisher: Publisher, start: Start) -> None:
    desk = Desk()
    for number in range(12):
        publisher.publish(topic, b"%d" % number, {})
    subscription = start(desk, slots=3)
    eventually(lambda: desk.running == 3)
    for done in range(1, 13):
        desk.go.release()
        eventually(partial(desk.has_done, done))
    assert desk.most == 3
    assert sorted(desk.done, key=int) == [b"%d" % number for number in range(12)]
    eventually(lambda: subscription.running == 0)


def test_a_freed_slot_is_filled_at_once(topic: str, publisher: Publisher, start: Start) -> None:
    """The library by itself pulls again only below four fifths of its limit: one of 8 slots would idle."""
    desk = Desk()
    for number in range(12):
        publisher.publish(topic, b"%d" % number, {})
    start(desk, slots=8)
    eventually(lambda: desk.running == 8)
    desk.go.release()
    eventually(lambda: desk.done)
    eventually(lambda: desk.running == 8)
    desk.go.release(20)
    eventually(lambda: len(desk.done) == 12)


def test_two_subscribers_share_the_work(topic: str, publisher: Publisher, start: Start) -> None:
    first, second = Desk(), Desk()
    start(first, slots=1)
    start(second, slots=1)
    for number in range(4):
        publisher.publish(topic, b"%d" % number, {})
    eventually(lambda: first.running == 1 and second.running == 1)
    first.go.release(4)
    second.go.release(4)
    eventually(lambda: len(first.done) + len(second.done) == 4)
    assert sorted(first.done + second.done) == [b"0", b"1", b"2", b"3"]
