"""Names, page tokens and acknowledgement ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.broker.delivery.ackid import ack_id, parse_ack_id
from embedded.broker.names import check_subscription, check_topic, project_id
from embedded.broker.paging import page
from embedded.broker.refusals import InvalidArgument


@pytest.mark.parametrize("identifier", ["abc", "A.b_c~d+e%f-g", "a" * 255, "Google-like"])
def test_valid_names_are_accepted(identifier: str) -> None:
    check_topic(f"projects/some-project/topics/{identifier}")
    check_subscription(f"projects/example.com:some-project/subscriptions/{identifier}")


@pytest.mark.parametrize(
    "name",
    ["", "abc", "topics/abc", "projects/p/topics/", "projects//topics/abc", "projects/p/topics/abc/d",
     "projects/p/topics/goog-x", "projects/p/topics/abc\n", "projects/p/subscriptions/abc"],
)  # fmt: skip
def test_invalid_names_are_rejected(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_topic(name)


def test_the_project_of_a_name_is_returned() -> None:
    assert project_id("projects/some-project/topics/abc") == "some-project"


@given(names=st.sets(st.text(min_size=1, max_size=5), max_size=30), size=st.integers(1, 7))
def test_pages_contain_every_name_once(names: set[str], size: int) -> None:
    ordered = sorted(names)
    seen: list[str] = []
    token = ""
    while True:
        found, token = page(ordered, size, token)
        assert len(found) <= size
        seen += found
        if not token:
            break
    assert seen == ordered


def test_changes_between_pages_do_not_shift_other_names() -> None:
    first, token = page(["a", "b", "c", "d"], 2, "")
    second, _ = page(["a2", "c", "d"], 2, token)
    assert (first, second) == (["a", "b"], ["c", "d"])


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (1, "!"), (1, "é"), (1, "/w==")])
def test_an_unknown_token_or_an_invalid_size_is_rejected(size: int, token: str) -> None:
    with pytest.raises(InvalidArgument):
        page(["a"], size, token)


@given(st.integers(0, 1 << 40), st.integers(0, (1 << 62) - 1), st.integers(1, 10_000))
def test_an_ack_id_encodes_its_parts(subscription: int, seq: int, attempt: int) -> None:
    assert parse_ack_id(ack_id(subscription, seq, attempt)) == (subscription, seq, attempt)


@given(st.text(max_size=40))
def test_any_other_ack_id_is_rejected_or_harmless(text: str) -> None:
    try:
        _, seq, _ = parse_ack_id(text)
    except InvalidArgument:
        return
    assert 0 <= seq < 1 << 62
