"""Which agent takes over, and why none can."""

from __future__ import annotations

import pytest

from api.domain.cluster.decisions import Direction, Handover, Settled, choose
from api.domain.cluster.snapshot import Snapshot
from clipping.errors import NoEligibleTarget, NotFound, NotPossible, RequestError
from tests.api.cluster.documents import lease, seen, snapshot

ACTIVE = seen("nas-1", state="active")
AWAY = seen("nas-3", eligible=False, reasons=("the NAS is not mounted",))
DEAD = seen("nas-4", age=312)


def test_the_active_hands_over_to_the_best_standby() -> None:
    assert choose(snapshot(), "nas-1", None) == Handover("nas-1", "nas-2", 7)
    three = snapshot(ACTIVE, seen("nas-2", rank=2), seen("nas-5", rank=1), seen("nas-6", rank=1), AWAY, DEAD)
    assert choose(three, "nas-1", None).target == "nas-5"


def test_the_active_hands_over_to_the_one_that_is_named() -> None:
    three = snapshot(ACTIVE, seen("nas-2"), seen("nas-5", rank=9))
    assert choose(three, "nas-1", "nas-5").target == "nas-5"


def test_a_standby_takes_over() -> None:
    assert choose(snapshot(), "nas-2", None) == choose(snapshot(), "nas-2", "nas-2")
    assert choose(snapshot(), "nas-2", None) == Handover("nas-1", "nas-2", 7)


@pytest.mark.parametrize(
    "dead",
    [
        snapshot(ACTIVE, seen("nas-2"), lease_age=25),
        snapshot(seen("nas-1", age=200, state="active"), seen("nas-2"), lease_age=200),
        snapshot(seen("nas-2")),  # its own document is gone, or was never written
    ],
)
def test_a_primary_that_may_be_dead_makes_no_difference(dead: Snapshot) -> None:
    for agent_id in ("nas-1", "nas-2"):
        assert choose(dead, agent_id, None) == Handover("nas-1", "nas-2", 7)


def test_a_lease_that_was_given_up_is_taken_by_the_one_that_is_named() -> None:
    released = snapshot(seen("nas-1"), seen("nas-2"), held=lease(state="released"))
    assert choose(released, "nas-2", None) == Handover("nas-1", "nas-2", 7)
    assert choose(released, "nas-1", None) == Handover("nas-1", "nas-1", 7)


@pytest.mark.parametrize(
    ("cluster", "agent_id", "target", "error", "words"),
    [
        (snapshot(), "nas-9", None, NotFound, "no agent nas-9"),
        (snapshot(), "nas-1", "nas-9", NotFound, "no agent nas-9"),
        (snapshot(has_leader=False, no_lease=True), "nas-1", None, NotPossible, "all of them are active"),
        (snapshot(no_lease=True), "nas-2", None, NotPossible, "no lease"),
        (snapshot(ACTIVE), "nas-1", None, NotPossible, "no other agent"),
        (snapshot(), "nas-1", "nas-1", NotPossible, "leads already"),
        (snapshot(ACTIVE, seen("nas-2"), AWAY), "nas-2", "nas-3", NotPossible, "leave target out"),
        (snapshot(ACTIVE, AWAY), "nas-3", None, NoEligibleTarget, "nas-3 can't take over: the NAS is not"),
        (snapshot(ACTIVE, AWAY), "nas-1", "nas-3", NoEligibleTarget, "the NAS is not mounted"),
        (snapshot(ACTIVE, DEAD), "nas-4", None, NoEligibleTarget, "last report was 312 s ago"),
        (
            snapshot(ACTIVE, AWAY, DEAD),
            "nas-1",
            None,
            NoEligibleTarget,
            "nas-3: the NAS is not mounted; nas-4: down: its last report was 312 s ago",
        ),
    ],
)
def test_what_cannot_be_done_says_why(
    cluster: Snapshot, agent_id: str, target: str | None, error: type[RequestError], words: str
) -> None:
    with pytest.raises(error) as caught:
        choose(cluster, agent_id, target)
    assert words in caught.value.message


RELEASED = snapshot(seen("nas-1"), seen("nas-2"), held=lease(state="released"))
GONE = snapshot(seen("nas-1", age=200, state="active"), seen("nas-2"), lease_age=200)


@pytest.mark.parametrize(
    ("cluster", "agent_id", "target", "direction", "expected"),
    [
        (snapshot(), "nas-1", None, "from", Handover("nas-1", "nas-2", 7)),
        (snapshot(ACTIVE, seen("nas-2"), seen("nas-5", rank=9)), "nas-1", "nas-5", "from", ("nas-5",)),
        (GONE, "nas-1", None, "from", Handover("nas-1", "nas-2", 7)),
        (snapshot(), "nas-2", None, "to", Handover("nas-1", "nas-2", 7)),
        (GONE, "nas-2", None, "to", Handover("nas-1", "nas-2", 7)),
        (RELEASED, "nas-1", None, "to", Handover("nas-1", "nas-1", 7)),
        # As it was asked for already: a repetition changes nothing.
        (snapshot(), "nas-2", None, "from", Settled("nas-1", 7)),
        (RELEASED, "nas-1", None, "from", Settled(None, 7)),
        (snapshot(), "nas-2", "nas-1", "from", Settled("nas-1", 7)),
        (snapshot(), "nas-1", None, "to", Settled("nas-1", 7)),
    ],
)
def test_a_direction_says_what_the_named_agent_is_for(
    cluster: Snapshot,
    agent_id: str,
    target: str | None,
    direction: Direction,
    expected: Handover | Settled | tuple[str],
) -> None:
    chosen = choose(cluster, agent_id, target, direction)
    if isinstance(expected, tuple):
        assert isinstance(chosen, Handover)
        assert (chosen.target,) == expected
    else:
        assert chosen == expected


@pytest.mark.parametrize(
    ("cluster", "agent_id", "target", "direction", "error", "words"),
    [
        (
            snapshot(ACTIVE, seen("nas-2"), seen("nas-5")),
            "nas-2",
            "nas-5",
            "from",
            NotPossible,
            "nas-1 leads",
        ),
        (RELEASED, "nas-1", "nas-2", "from", NotPossible, "nas-1 does not lead"),
        (snapshot(), "nas-1", "nas-1", "from", NotPossible, "target"),
        (GONE, "nas-1", None, "to", NoEligibleTarget, "nas-1 can't take over: down"),
        (snapshot(), "nas-9", None, "from", NotFound, "no agent nas-9"),
        (snapshot(), "nas-9", None, "to", NotFound, "no agent nas-9"),
        (
            snapshot(has_leader=False, no_lease=True),
            "nas-1",
            None,
            "from",
            NotPossible,
            "all of them are active",
        ),
        (snapshot(no_lease=True), "nas-1", None, "to", NotPossible, "no lease"),
    ],
)
def test_a_direction_that_cannot_be_followed_says_why(
    cluster: Snapshot,
    agent_id: str,
    target: str | None,
    direction: Direction,
    error: type[RequestError],
    words: str,
) -> None:
    with pytest.raises(error) as caught:
        choose(cluster, agent_id, target, direction)
    assert words in caught.value.message
