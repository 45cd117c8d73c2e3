"""Which connections are closed, decided from plain values."""

from __future__ import annotations

import pytest

from clipping.http.limits import Connection, Limits, Phase, network_of, overdue, to_make_room

LIMITS = Limits(head_seconds=10, request_seconds=30, idle_seconds=620, unread_seconds=60, linger_seconds=5)


def connection(number: int, phase: Phase, since: float, network: str = "a") -> Connection:
    return Connection(number, network, phase, since)


@pytest.mark.parametrize(
    ("phase", "seconds"),
    [
        (Phase.LINGERING, 5),
        (Phase.HEAD, 10),
        (Phase.BODY, 30),
        (Phase.UNREAD, 60),
        (Phase.IDLE, 620),
    ],
)
def test_each_phase_has_its_deadline(phase: Phase, seconds: float) -> None:
    one = connection(1, phase, since=100)
    assert overdue([one], LIMITS, now=100 + seconds) == []
    assert overdue([one], LIMITS, now=100 + seconds + 0.1) == [one]


def test_unread_answers_get_less_time_under_pressure() -> None:
    one = connection(1, Phase.UNREAD, since=100)
    assert overdue([one], LIMITS, now=111) == []
    assert overdue([one], LIMITS, now=111, crowded=True) == [one]


def test_a_request_that_is_being_answered_has_no_deadline() -> None:
    assert overdue([connection(1, Phase.BUSY, since=0)], LIMITS, now=1e9) == []


def test_the_oldest_idle_connections_make_room() -> None:
    idle = [connection(n, Phase.IDLE, since=100 - n) for n in range(5)]
    assert [each.id for each in to_make_room(idle, 2)] == [4, 3]


def test_connections_without_a_request_go_before_those_with_a_part_of_one() -> None:
    found = [
        connection(1, Phase.BODY, since=1),
        connection(2, Phase.HEAD, since=2),
        connection(3, Phase.IDLE, since=3),
        connection(4, Phase.LINGERING, since=4),
    ]
    assert [each.id for each in to_make_room(found, 4)] == [4, 3, 2, 1]


def test_requests_and_unread_answers_are_never_closed_to_make_room() -> None:
    found = [connection(1, Phase.BUSY, 0), connection(2, Phase.UNREAD, 0), connection(3, Phase.IDLE, 9)]
    assert [each.id for each in to_make_room(found, 3)] == [3]


def test_the_client_with_most_connections_is_closed_first() -> None:
    flood = [connection(n, Phase.IDLE, since=100 + n, network="flood") for n in range(10)]
    others = [connection(100 + n, Phase.IDLE, since=n, network=f"other-{n}") for n in range(3)]
    assert {each.network for each in to_make_room([*others, *flood], 9)} == {"flood"}
    # With one each, the oldest goes.
    assert [each.id for each in to_make_room([*others, *flood], 10)][-1] == 100


def test_a_client_whose_connections_are_all_at_work_displaces_others() -> None:
    busy = [connection(n, Phase.BUSY, since=0, network="large") for n in range(10)]
    idle = connection(99, Phase.IDLE, since=50, network="small")
    assert to_make_room([*busy, idle], 1) == [idle]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("localhost", "localhost"),
    ],
)
def test_an_ipv6_client_is_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
