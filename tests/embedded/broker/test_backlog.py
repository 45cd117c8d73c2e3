"""The delivery state of a subscription, with a simulated clock."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from embedded.broker.delivery.backlog import MAX_HELD, WINDOW_BYTES, WINDOW_MESSAGES, Backlog, Entry, State
from embedded.broker.delivery.consumer import Consumer
from embedded.broker.delivery.policy import Policy

LEASE = 10.0


def take(
    backlog: Backlog, now: float = 0.0, limit: int = 1000, consumer: Consumer | None = None
) -> list[Entry]:
    return backlog.take(consumer or Consumer(), now=now, lease=LEASE, limit=limit, max_bytes=1 << 30)


def offered(count: int, policy: Policy | None = None) -> Backlog:
    backlog = Backlog(policy or Policy())
    for seq in range(1, count + 1):
        backlog.offer(seq, b"body")
    return backlog


def test_messages_are_taken_oldest_first() -> None:
    assert [entry.seq for entry in take(offered(3))] == [1, 2, 3]


def test_a_lease_expires_exactly_at_its_deadline() -> None:
    backlog = offered(1)
    take(backlog, now=100)
    backlog.tick(109.999)
    assert take(backlog, now=109.999) == []
    backlog.tick(110)
    (again,) = take(backlog, now=110)
    assert again.attempts == 2


def test_an_extended_lease_expires_at_its_new_deadline() -> None:
    backlog = offered(1)
    take(backlog, now=0)
    backlog.modify(1, 1, 30, now=5)
    backlog.tick(34.9)
    assert take(backlog, now=34.9) == []
    backlog.tick(35)
    assert len(take(backlog, now=35)) == 1


def test_a_shortened_lease_expires_at_its_new_deadline() -> None:
    backlog = offered(1)
    take(backlog, now=0)
    backlog.modify(1, 1, 2, now=1)
    assert backlog.next_timer() == 3
    backlog.tick(3)
    assert len(take(backlog, now=3)) == 1


def test_another_deliverys_lease_can_not_be_changed() -> None:
    backlog = offered(1)
    take(backlog)
    backlog.modify(1, 2, 0, now=1)
    backlog.modify(1, 0, 0, now=1)
    assert take(backlog, now=1) == []


def test_an_acknowledged_message_is_never_redelivered() -> None:
    backlog = offered(2)
    take(backlog, limit=1)
    assert backlog.acknowledge([1]) == [1]
    assert backlog.acknowledge([1]) == []
    backlog.tick(1000)
    assert [entry.seq for entry in take(backlog, now=1000)] == [2]


def test_a_message_can_be_acknowledged_while_it_waits_for_redelivery() -> None:
    backlog = offered(1)
    take(backlog)
    backlog.modify(1, 1, 0, now=1)
    assert backlog.acknowledge([1]) == [1]
    assert take(backlog, now=2) == []
    assert len(backlog) == 0


def test_a_failed_message_is_requeued_behind_waiting_ones() -> None:
    backlog = offered(3)
    take(backlog, limit=1)
    backlog.modify(1, 1, 0, now=1)
    assert [entry.seq for entry in take(backlog, now=1)] == [2, 3, 1]


def test_backoff_doubles_up_to_its_maximum() -> None:
    policy = Policy(min_backoff=1.0, max_backoff=5.0)
    assert [policy.backoff(attempts) for attempts in (1, 2, 3, 4, 5, 5000)] == [1, 2, 4, 5, 5, 5]


def test_a_message_backs_off_before_it_is_taken_again() -> None:
    backlog = offered(1, Policy(min_backoff=3.0))
    take(backlog)
    backlog.modify(1, 1, 0, now=10)
    backlog.tick(12.9)
    assert take(backlog, now=12.9) == []
    backlog.tick(13)
    assert len(take(backlog, now=13)) == 1


def test_a_message_is_a_dead_letter_after_its_last_attempt() -> None:
    backlog = offered(1, Policy(dead_letter_topic="t", max_attempts=2))
    take(backlog)
    assert backlog.modify(1, 1, 0, now=1) is None
    (entry,) = take(backlog, now=1)
    assert backlog.tick(1 + LEASE) == [entry]
    assert take(backlog, now=50) == []
    backlog.forwarded(entry, success=True, now=50)
    assert len(backlog) == 0


def test_a_dead_letter_that_can_not_be_forwarded_is_redelivered() -> None:
    backlog = offered(1, Policy(dead_letter_topic="t", max_attempts=1))
    (entry,) = take(backlog)
    assert backlog.modify(1, 1, 0, now=1) is entry
    backlog.forwarded(entry, success=False, now=1)
    assert take(backlog, now=1) == []
    backlog.tick(60)
    assert take(backlog, now=60) == [entry]


def test_flow_control_counts_until_messages_are_settled() -> None:
    backlog = offered(4)
    consumer = Consumer(max_messages=2)
    assert len(take(backlog, consumer=consumer)) == 2
    assert take(backlog, consumer=consumer) == []
    backlog.acknowledge([1])
    assert [entry.seq for entry in take(backlog, consumer=consumer)] == [3]
    backlog.tick(LEASE)  # both leases end
    assert (consumer.messages, consumer.bytes) == (0, 0)


def test_a_consumer_is_notified_of_capacity_only_when_it_was_full() -> None:
    calls: list[int] = []
    consumer = Consumer(max_messages=2, on_capacity=lambda: calls.append(1))
    consumer.add(1)
    consumer.remove(1)
    assert calls == []
    consumer.add(1)
    consumer.add(1)
    consumer.remove(1)
    assert calls == [1]


def test_the_window_is_bounded_in_messages_and_bytes() -> None:
    assert offered(WINDOW_MESSAGES + 500).ready == WINDOW_MESSAGES
    backlog = Backlog(Policy())
    big = b"x" * (WINDOW_BYTES // 8)
    for seq in range(1, 100):
        backlog.offer(seq, big)
    assert backlog.window_bytes <= WINDOW_BYTES + len(big)


def test_stored_messages_are_loaded_when_the_window_drains() -> None:
    backlog = offered(WINDOW_MESSAGES + 10)
    assert not backlog.wants_load()
    taken = take(backlog, limit=WINDOW_MESSAGES)
    assert backlog.wants_load()
    after, stored_to = backlog.begin_load()
    assert (after, stored_to) == (taken[-1].seq, WINDOW_MESSAGES + 10)
    assert not backlog.wants_load()
    backlog.offer(WINDOW_MESSAGES + 11, b"published during the load")
    rows = [(Entry(seq, 4, b"body"), 0.0) for seq in range(after + 1, stored_to + 1)]
    backlog.end_load(rows, loaded_to=None, stored_to=stored_to, now=0)
    assert [entry.seq for entry in take(backlog)] == list(range(after + 1, stored_to + 1))
    assert backlog.wants_load()


def test_a_message_acknowledged_during_its_load_is_not_added() -> None:
    backlog = Backlog(Policy(), stored_up_to=5)
    backlog.begin_load()
    assert backlog.acknowledge([3]) == [3]
    rows = [(Entry(seq, 4, b"body"), 0.0) for seq in (3, 4)]
    backlog.end_load(rows, loaded_to=None, stored_to=5, now=0)
    assert [entry.seq for entry in take(backlog)] == [4]


def test_leases_and_backoffs_are_restored_after_a_restart() -> None:
    backlog = Backlog(Policy(), stored_up_to=9)
    backlog.begin_load()
    leased = Entry(1, 4, b"body", State.LEASED, attempts=2)
    delayed = Entry(2, 4, b"body", State.READY, attempts=1)
    overdue = Entry(3, 4, b"body", State.LEASED, attempts=1)
    rows = [(leased, 5.0), (delayed, 7.0), (overdue, -60.0)]
    backlog.end_load(rows, loaded_to=None, stored_to=9, now=100)
    backlog.tick(100)
    assert [entry.seq for entry in take(backlog, now=100)] == [3]
    backlog.tick(105)
    assert [(entry.seq, entry.attempts) for entry in take(backlog, now=105)] == [(1, 3)]
    backlog.tick(107)
    assert [(entry.seq, entry.attempts) for entry in take(backlog, now=107)] == [(2, 2)]


def test_expired_messages_are_not_taken() -> None:
    backlog = offered(3)
    taken = backlog.take(Consumer(), now=0, lease=LEASE, limit=10, max_bytes=1 << 20, oldest=3)
    assert [entry.seq for entry in taken] == [3]
    assert len(backlog) == 1


def test_a_batch_is_bounded_in_bytes_but_never_empty() -> None:
    backlog = Backlog(Policy())
    for seq in range(1, 4):
        backlog.offer(seq, b"x" * 100)
    sizes = [
        len(backlog.take(Consumer(), now=0, lease=LEASE, limit=10, max_bytes=limit)) for limit in (10, 200)
    ]
    assert sizes == [1, 2]


def test_timers_of_settled_messages_are_removed() -> None:
    backlog = Backlog(Policy())
    for seq in range(1, 20_001):
        backlog.offer(seq, b"x")
        take(backlog)
        backlog.acknowledge([seq])
    assert len(backlog._timers) < 5000
    assert len(backlog) == 0


def test_nothing_is_loaded_above_the_limit_of_messages_in_memory() -> None:
    backlog = Backlog(Policy(), stored_up_to=2 * MAX_HELD)
    backlog.begin_load()
    rows = [(Entry(seq, 4, None, State.LEASED, attempts=1), 600.0) for seq in range(1, MAX_HELD + 1)]
    backlog.end_load(rows, loaded_to=MAX_HELD, stored_to=2 * MAX_HELD, now=0)
    assert not backlog.wants_load()
    backlog.acknowledge([1])
    assert backlog.wants_load()


class BacklogMachine(RuleBasedStateMachine):
    """Any order of events: a message has one lease at a time, and only acknowledged ones are removed."""

    @initialize(backoff=st.sampled_from([None, 3.0]))
    def start(self, backoff: float | None) -> None:
        self.backlog = Backlog(Policy(min_backoff=backoff))
        self.now = 0.0
        self.published: set[int] = set()
        self.acknowledged: set[int] = set()
        self.held: dict[int, tuple[int, float]] = {}
        self.consumer = Consumer()

    @rule()
    def publish(self) -> None:
        seq = len(self.published) + 1
        self.published.add(seq)
        self.backlog.offer(seq, b"body")

    @rule(limit=st.integers(1, 3))
    def take(self, limit: int) -> None:
        for entry in take(self.backlog, self.now, limit, self.consumer):
            assert entry.seq not in self.held
            assert entry.seq not in self.acknowledged
            self.held[entry.seq] = (entry.attempts, self.now + LEASE)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        seq = data.draw(st.sampled_from(sorted(self.held)))
        assert self.backlog.acknowledge([seq]) == [seq]
        self.acknowledged.add(seq)
        del self.held[seq]

    @precondition(lambda self: self.held)
    @rule(data=st.data(), lease=st.sampled_from([0.0, 1.0, 20.0]))
    def modify(self, data: st.DataObject, lease: float) -> None:
        seq = data.draw(st.sampled_from(sorted(self.held)))
        attempt, _ = self.held[seq]
        self.backlog.modify(seq, attempt, lease, now=self.now)
        if lease:
            self.held[seq] = (attempt, self.now + lease)
        else:
            del self.held[seq]

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.backlog.tick(self.now)
        self.held = {seq: held for seq, held in self.held.items() if held[1] > self.now}

    @invariant()
    def no_message_is_lost_and_counts_are_consistent(self) -> None:
        if hasattr(self, "backlog"):
            assert len(self.backlog) == len(self.published) - len(self.acknowledged)
            assert self.consumer.messages == len(self.held)
            assert self.consumer.bytes == 4 * len(self.held)


TestBacklogMachine = BacklogMachine.TestCase
TestBacklogMachine.settings = settings(max_examples=50, deadline=None)
