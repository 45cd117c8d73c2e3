"""A subscription that is pulled in groups."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest

from clipping.bus.groups import GroupSubscription, Received
from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.topology import SubscriptionSpec, Topology
from tests.clipping.bus.conftest import PROJECT, WORK
from tests.support.broker import BrokerProcess
from tests.support.proxy import TcpProxy
from tests.support.waiting import eventually

Handler = Callable[[Sequence[Received]], Collection[Received]]
StartGroups = Callable[..., GroupSubscription]


@pytest.fixture
def start_groups() -> Iterator[StartGroups]:
    """Starts pulling `work`; ended at the end."""
    started: list[GroupSubscription] = []

    def start(handler: Handler, *, name: str = WORK, most: int = 50, **options: float) -> GroupSubscription:
        made = GroupSubscription(
            PROJECT, name, most=most, handler=handler, thread_name="pull-test", **options
        )
        started.append(made)
        made.start()
        return made

    yield start
    for each in started:
        each.close(10)


class Groups:
    """Settles everything, and remembers."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []

    def __call__(self, group: Sequence[Received]) -> Collection[Received]:
        self.groups.append([message.data for message in group])
        return group

    @property
    def data(self) -> list[bytes]:
        return [each for group in self.groups for each in group]


def publish(publisher: Publisher, topic: str, count: int, first: int = 0) -> set[bytes]:
    messages = [b"%d" % number for number in range(first, first + count)]
    publisher.publish_all(topic, [(data, {"n": data.decode()}) for data in messages], timeout_seconds=60)
    return set(messages)


def unsettled(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> set[bytes]:
    """What was not acknowledged: a broker that restarts keeps no leases."""
    broker.restart()
    publisher.publish(topic, b"marker", {}, timeout_seconds=60)
    seen = Groups()
    last = start_groups(seen)
    eventually(lambda: b"marker" in seen.data, within=90)
    last.close(10)
    return set(seen.data) - {b"marker"}


def test_messages_of_a_group_in_flight_are_not_acknowledged(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    entered, go = threading.Event(), threading.Event()

    def handle(group: Sequence[Received]) -> Collection[Received]:
        entered.set()
        assert go.wait(100)
        return ()

    sent = publish(publisher, topic, 3)
    start_groups(handle)
    assert entered.wait(60)
    try:
        assert unsettled(broker, topic, publisher, start_groups) == sent
    finally:
        go.set()


def test_what_waits_is_handled_together_and_acknowledged(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    sent = publish(publisher, topic, 120)
    seen = Groups()
    subscription = start_groups(seen, most=50)
    eventually(lambda: set(seen.data) == sent)
    assert len(seen.data) == 120
    assert max(map(len, seen.groups)) <= 50
    assert len(seen.groups) < 20
    assert subscription.state.ok
    subscription.close(10)
    assert unsettled(broker, topic, publisher, start_groups) == set()


def test_a_message_has_its_attributes_and_its_time(
    topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    found: list[Received] = []

    def keep(group: Sequence[Received]) -> Collection[Received]:
        found.extend(group)
        return group

    message_id = publisher.publish(topic, b"\xff\0", {"a": "ä"})
    start_groups(keep)
    message = eventually(lambda: found[0] if found else None)
    assert (message.message_id, message.data, dict(message.attributes)) == (message_id, b"\xff\0", {"a": "ä"})
    assert abs(time.time() - message.published_at) < 600


def test_messages_that_are_not_settled_are_delivered_again(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen: list[bytes] = []

    def some(group: Sequence[Received]) -> Collection[Received]:
        fresh = [message for message in group if message.data not in seen]
        seen.extend(message.data for message in group)
        if len(seen) < 3:
            raise RuntimeError("this group fails")
        return [message for message in group if message not in fresh or message.data != b"3"]

    sent = publish(publisher, topic, 10)
    subscription = start_groups(some, most=5)
    eventually(lambda: set(seen) == sent and seen.count(b"3") >= 2)
    subscription.close(10)
    assert unsettled(broker, topic, publisher, start_groups) == set()


def test_messages_gather_while_there_is_no_backlog(
    topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen = Groups()
    # Far longer than the test takes: only the first group and full ones can be handled.
    start_groups(seen, most=5, gather_seconds=3600.0)
    publish(publisher, topic, 1)
    eventually(lambda: seen.data == [b"0"])
    publish(publisher, topic, 3, first=1)
    other = Groups()
    start_groups(other)
    eventually(lambda: set(other.data) == {b"1", b"2", b"3"})
    assert seen.data == [b"0"]


def test_a_backlog_is_not_delayed(topic: str, publisher: Publisher, start_groups: StartGroups) -> None:
    sent = publish(publisher, topic, 23)
    seen = Groups()
    start_groups(seen, most=5, gather_seconds=3600.0)
    eventually(lambda: len(seen.data) >= 20)
    assert [len(group) for group in seen.groups[:4]] == [5] * 4
    assert set(seen.data) <= sent


def test_old_messages_are_a_backlog_in_groups_of_any_size(
    topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen = Groups()

    def slowly(group: Sequence[Received]) -> Collection[Received]:
        eventually(lambda: time.time() - group[-1].published_at > 1.5)
        return seen(group)

    start_groups(slowly, gather_seconds=3600.0)
    publish(publisher, topic, 1)
    eventually(lambda: seen.data)
    publish(publisher, topic, 1, first=1)
    eventually(lambda: len(seen.data) == 2)


def test_closing_ends_a_waiting_pull(topic: str, start_groups: StartGroups) -> None:
    before = set(threading.enumerate())
    subscription = start_groups(Groups())
    eventually(lambda: subscription.state.ok)
    subscription.close(30)
    eventually(lambda: not {each.name for each in set(threading.enumerate()) - before} & {"pull-test"})


def test_closing_finishes_the_group_in_flight(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    entered, go = threading.Event(), threading.Event()

    def handle(group: Sequence[Received]) -> Collection[Received]:
        entered.set()
        assert go.wait(60)
        return group

    publish(publisher, topic, 3)
    subscription = start_groups(handle)
    assert entered.wait(60)
    subscription.stop_pulling()
    go.set()
    subscription.close(30)
    assert unsettled(broker, topic, publisher, start_groups) == set()


def test_a_missing_subscription_is_waited_for(
    topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen = Groups()
    subscription = start_groups(seen, name="later")
    eventually(lambda: "clipping-agent provision" in subscription.state.detail)
    assert not subscription.state.ok
    spec = SubscriptionSpec("later", topic, 0, 0, 10)
    provision(PROJECT, Topology((), (spec,)))
    publisher.publish(topic, b"x", {})
    eventually(lambda: seen.data == [b"x"])
    assert eventually(lambda: subscription.state.ok)


def test_an_outage_is_reported_and_loses_nothing(
    broker: BrokerProcess, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen = Groups()
    subscription = start_groups(seen)
    sent = publish(publisher, topic, 30)
    eventually(lambda: set(seen.data) == sent and subscription.state.ok)
    broker.kill()
    state = eventually(lambda: None if subscription.state.ok else subscription.state)
    assert broker.host_port in state.detail
    broker.start()
    sent |= publish(publisher, topic, 30, first=30)
    eventually(lambda: set(seen.data) == sent, within=90)
    assert eventually(lambda: subscription.state.ok)


def test_closing_during_an_outage_does_not_wait_for_its_end(
    broker: BrokerProcess, topic: str, start_groups: StartGroups
) -> None:
    subscription = start_groups(Groups())
    eventually(lambda: subscription.state.ok)
    broker.kill()
    eventually(lambda: not subscription.state.ok)
    subscription.close(30)
    eventually(lambda: "pull-test" not in {each.name for each in threading.enumerate()})


@pytest.mark.slow
def test_a_group_whose_acknowledgement_is_lost_is_delivered_again(
    broker: BrokerProcess, proxy: TcpProxy, topic: str, publisher: Publisher, start_groups: StartGroups
) -> None:
    seen = Groups()

    def handle(group: Sequence[Received]) -> Collection[Received]:
        if not seen.groups:
            proxy.refuse()
        return seen(group)

    sent = publish(publisher, topic, 5)
    subscription = start_groups(handle)
    eventually(lambda: not subscription.state.ok and seen.data, within=90)
    first = set(seen.data)
    proxy.restore()
    # Their leases last ten seconds.
    eventually(lambda: set(seen.data) == sent and all(seen.data.count(each) > 1 for each in first), within=90)
    assert eventually(lambda: subscription.state.ok, within=90)
    subscription.close(30)
    assert unsettled(broker, topic, publisher, start_groups) == set()
