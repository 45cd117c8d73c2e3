"""What becomes of calls that are committed together: the same as of calls one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from api.clips.group import Answer, Call, Decision, Refusals, Request, decide
from api.clips.idempotency import Repeat
from api.clips.quotas import ShortsUsedUp
from api.db.idempotency import Kept
from api.db.outbox import REQUESTS, Entry
from clipping.errors import IdempotencyConflict
from tests.api.messages import NOW


@dataclass
class Left:
    """A quota in memory."""

    left: int

    def take(self) -> None:
        if not self.left:
            raise used_up()
        self.left -= 1


def used_up() -> ShortsUsedUp:
    return ShortsUsedUp(limit=1, used=1, again_at=NOW, now=NOW)


def request(number: int, *, short: bool = False) -> Request:
    key = f"clip-{number}"
    return Request({"request_id": key, "short": short}, Entry(REQUESTS, key, b"", {}, NOW))


def call(*requests: Request, owner: str = "web", key: str | None = None, content: str = "a") -> Call:
    """A call that fails when none of its requests is stored. Its response names those that are."""

    def answer(refusals: Refusals) -> bytes:
        ids = [each.entry.key for each, refused in zip(requests, refusals, strict=True) if refused is None]
        if not ids:
            raise next(refused for refused in refusals if refused is not None)
        return " ".join(ids).encode()

    return Call(owner, requests, answer, Repeat(owner, key, content) if key else None)


def stored(decision: Decision) -> list[str]:
    return [each.entry.key for each in decision.stored]


def test_calls_without_keys_are_all_stored() -> None:
    decision = decide([call(request(1)), call(request(2)), call(request(3), request(4))], {}, {})
    assert decision.outcomes == [Answer(b"clip-1"), Answer(b"clip-2"), Answer(b"clip-3 clip-4")]
    assert stored(decision) == ["clip-1", "clip-2", "clip-3", "clip-4"]
    assert decision.keys == {}


def test_one_key_in_a_group_is_one_call() -> None:
    calls = [call(request(n), key="k") for n in range(3)]
    decision = decide(calls, {}, {})
    assert decision.outcomes == [Answer(b"clip-0"), *[Answer(b"clip-0", repeated=True)] * 2]
    assert stored(decision) == ["clip-0"]
    assert decision.keys == {("web", "k"): Kept("a", b"clip-0")}


def test_one_key_for_different_requests_is_a_conflict() -> None:
    calls = [call(request(n), key="k", content=content) for n, content in enumerate("aba")]
    decision = decide(calls, {}, {})
    assert decision.outcomes[::2] == [Answer(b"clip-0"), Answer(b"clip-0", repeated=True)]
    assert isinstance(decision.outcomes[1], IdempotencyConflict)
    assert stored(decision) == ["clip-0"]


def test_a_key_of_an_earlier_group_is_answered_from_it() -> None:
    kept = {("web", "k"): Kept("a", b"earlier")}
    calls = [
        call(request(1), key="k"),
        call(request(2), key="k", content="b"),
        call(request(3), owner="x", key="k"),
    ]
    decision = decide(calls, kept, {})
    assert decision.outcomes[0] == Answer(b"earlier", repeated=True)
    assert isinstance(decision.outcomes[1], IdempotencyConflict)
    assert decision.outcomes[2] == Answer(b"clip-3"), "keys are those of an owner"
    assert list(decision.keys) == [("x", "k")]


def test_a_refused_call_leaves_its_key_to_the_next_one() -> None:
    calls = [
        call(request(1, short=True), key="k"),
        call(request(2), key="k", content="b"),
        call(request(3), key="k"),
    ]
    decision = decide(calls, {}, {"web": Left(0)})
    assert isinstance(decision.outcomes[0], ShortsUsedUp)
    assert decision.outcomes[1] == Answer(b"clip-2")
    assert isinstance(decision.outcomes[2], IdempotencyConflict)
    assert decision.keys == {("web", "k"): Kept("b", b"clip-2")}


def test_a_repeated_call_does_not_use_the_quota_again() -> None:
    quota = Left(1)
    calls = [call(request(1, short=True), key="k"), call(request(2, short=True), key="k")]
    assert decide(calls, {}, {"web": quota}).outcomes[1] == Answer(b"clip-1", repeated=True)
    assert quota.left == 0


def test_a_quota_ends_within_a_call() -> None:
    calls = [call(request(1, short=True), request(2), request(3, short=True)), call(request(4, short=True))]
    decision = decide(calls, {}, {"web": Left(1)})
    assert decision.outcomes[0] == Answer(b"clip-1 clip-2")
    assert isinstance(decision.outcomes[1], ShortsUsedUp)
    assert stored(decision) == ["clip-1", "clip-2"]


@st.composite
def any_calls(draw: st.DrawFn) -> list[Call]:
    calls = []
    for number in range(draw(st.integers(0, 12))):
        shorts = draw(st.lists(st.booleans(), min_size=1, max_size=3))
        requests = [request(10 * number + place, short=short) for place, short in enumerate(shorts)]
        owner, key = draw(st.sampled_from("xy")), draw(st.sampled_from([None, "k", "l"]))
        calls.append(call(*requests, owner=owner, key=key, content=draw(st.sampled_from("ab"))))
    return calls


def shown(outcomes: Sequence[object]) -> list[object]:
    return [each if isinstance(each, Answer) else type(each) for each in outcomes]


@settings(deadline=None)
@given(any_calls(), st.integers(0, 4), st.data())
def test_groups_make_no_difference(calls: list[Call], limit: int, data: st.DataObject) -> None:
    def commit(groups: Sequence[Sequence[Call]]) -> tuple[list[object], list[str], dict[object, Kept]]:
        kept: dict[tuple[str, str], Kept] = {}
        quotas = {owner: Left(limit) for owner in "xy"}
        outcomes: list[object] = []
        ids: list[str] = []
        for group in groups:
            decision = decide(group, kept, quotas)
            kept |= decision.keys
            outcomes += shown(decision.outcomes)
            ids += stored(decision)
        return outcomes, ids, {**kept}

    cut = data.draw(st.integers(0, len(calls)))
    alone = commit([[each] for each in calls])
    assert commit([calls[:cut], calls[cut:]]) == alone
    outcomes, ids, kept = alone
    assert len(ids) == len({*ids})
    new = [each for each in outcomes if isinstance(each, Answer) and not each.repeated]
    assert sorted(b" ".join(each.body for each in new).split()) == sorted(each.encode() for each in ids)
    assert {name: kept_by.answer for name, kept_by in kept.items()}.items() <= {
        (name, each.body) for name in kept for each in outcomes if isinstance(each, Answer)
    }
