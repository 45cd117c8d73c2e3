"""The status of a request, and the version that stands for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.clips.views import etag_of, status_of
from api.db import clips
from api.db.tables import Clip
from api.db.transition import transition
from api.domain.request_state import published_again
from api.domain.retention import Retention
from clipping.config import validate
from clipping.contract.messages import (
    TERMINAL,
    ClipRequest,
    CompletionMessage,
    ProgressMessage,
    RequestMessage,
)
from clipping.contract.preview_keys import PreviewKeys
from clipping.contract.reel import ReelMessage, ReelRequest
from clipping.contract.report import Range
from clipping.contract.results import ClipSource
from tests.api.domain.test_request_state import failures, progresses
from tests.api.messages import NOW, REEL_ID, REQUEST_ID, completed

AGAIN = "published again"
KEPT = Retention.of(validate({}))
events = st.lists(progresses | failures | st.just(completed()) | st.just(AGAIN), max_size=8)


def accepted() -> Clip:
    """A reel, whose status has everything that one of a clip has."""
    parts = [{"nas_video_path": "/nas/a.mp4", "start_seconds": n, "end_seconds": n + 1} for n in range(3)]
    request = ReelRequest(reel_id="reel-1", clips=parts)
    message = ReelMessage.of(request, request_id=REEL_ID, owner="web", requested_at=NOW)
    return Clip(**clips.row_of(message))


@given(events)
def test_the_version_changes_exactly_when_the_status_does(
    story: list[ProgressMessage | CompletionMessage | str],
) -> None:
    row, now = accepted(), NOW
    shown = {etag_of(row): status_of(row, KEPT, now, None).to_json()}
    for event in story:
        before, now = status_of(row, KEPT, now, None).to_json(), now + timedelta(seconds=1)
        version = etag_of(row)
        if isinstance(event, str):
            if row.status in TERMINAL:
                continue
            state = clips.state_of(row)
            clips.store_state(row, state, published_again(state), now=now)
        else:
            transition(row, event, now=now)
        status = status_of(row, KEPT, now, None).to_json()
        assert (etag_of(row) != version) == (status != before), event
        assert shown.setdefault(etag_of(row), status) == status


KEYS = PreviewKeys("s" * 32)
NIGHT = "/nas/night.mp4"


@pytest.mark.parametrize(
    ("fields", "keys", "source", "requested"),
    [
        (
            {"nas_video_path": NIGHT},
            KEYS,
            ClipSource(path=NIGHT, recording_id=KEYS.recording_id(NIGHT)),
            (5, 9),
        ),
        ({"nas_video_path": NIGHT, "pre_roll_seconds": 6}, None, ClipSource(path=NIGHT), (0, 9)),
        (
            {"source_uri": "gs://bucket/night.mp4", "post_roll_seconds": 0.1},
            KEYS,
            ClipSource(uri="gs://bucket/night.mp4"),
            (5, 9.1),
        ),
    ],
)
def test_the_status_names_the_recording_and_the_range(
    fields: dict[str, Any], keys: PreviewKeys | None, source: ClipSource, requested: tuple[float, float]
) -> None:
    request = ClipRequest(hand_id="hand-1", start_seconds=5, end_seconds=9, mode="smart", **fields)
    message = RequestMessage.of(request, request_id=REQUEST_ID, owner="web", requested_at=NOW)
    status = status_of(Clip(**clips.row_of(message)), KEPT, NOW, keys)
    assert status.source == source
    assert status.requested == Range(start=requested[0], end=requested[1])
    assert status.mode == "smart"


def test_a_reel_has_no_recording_of_its_own() -> None:
    status = status_of(accepted(), KEPT, NOW, KEYS)
    assert (status.source, status.requested, status.mode) == (None, None, "smart")


@pytest.mark.parametrize(
    ("output", "short"),
    [({"aspect": "9:16"}, True), ({"width": 90, "height": 160}, True), ({"aspect": "1:1"}, None), ({}, None)],
)
def test_the_status_says_of_an_upright_clip_that_it_is_a_short(
    output: dict[str, Any], short: bool | None
) -> None:
    fields = {"hand_id": "hand-1", "nas_video_path": NIGHT, "start_seconds": 5, "end_seconds": 9}
    request = ClipRequest.model_validate({**fields, "output": output})
    message = RequestMessage.of(request, request_id=REQUEST_ID, owner="web", requested_at=NOW)
    assert status_of(Clip(**clips.row_of(message)), KEPT, NOW, KEYS).short is short
