"""The page of bad requests, compared with the service."""

from __future__ import annotations

from pathlib import Path

from tests.api.bad_inputs import LIMITS, page
from tests.api.conftest import MakeApi

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "bad-requests.md"


def test_responses_are_as_documented(make_api: MakeApi) -> None:
    api = make_api(limits=LIMITS)
    assert page(api) == PAGE.read_text(encoding="utf-8"), "generate it again: python -m tests.api.bad_inputs"
    counts = {name: count for name, count in api.counts().items() if count and name != "outbox"}
    assert counts == {"requests": 1}, "only the queued clip that can't be retried yet"
