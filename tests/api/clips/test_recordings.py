"""Requests that name their recording by its id: agents get the path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from api.clips.recordings import RecordingIds
from api.db.tables import OutboxMessage
from clipping.config import NasRoot
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import InvalidRequest
from tests.api.owned import Service, service

SECRET = "a-secret-of-the-API-and-the-agents"
KEYS = PreviewKeys(SECRET)
PATH = "/nas/2026/table 7.mp4"
ID = KEYS.recording_id(PATH)
TIMES: dict[str, Any] = {"start_seconds": 1, "end_seconds": 2}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("ids")
    (folder / "key").write_text(SECRET)
    over = {"preview": {"key": str(folder / "key")}, "agent": {"nas_roots": [{"path": "/nas"}]}}
    with service(folder, {}, over=over) as made:
        made.parts.committer.start()
        yield made
        made.parts.committer.stop(5)


def sent(at: Service, request_id: str) -> dict[str, Any]:
    """The message to the agents."""
    with at.parts.database.read() as session:
        row = session.scalars(select(OutboxMessage).where(OutboxMessage.key == request_id)).one()
        found: dict[str, Any] = json.loads(row.payload)
        return found


def test_a_clip_a_batch_and_a_reel(at: Service) -> None:
    clip = {"hand_id": "h", "recording_id": ID, **TIMES}
    answer = at.call("ada", "POST", "/v1/clip/request", json=clip)
    assert answer.status_code == 202, answer.text
    message = sent(at, answer.get_json()["request_id"])
    assert message["nas_video_path"] == PATH
    assert "recording_id" not in message
    wrong = {**clip, "recording_id": "none"}
    answer = at.call("ada", "POST", "/v1/clip/batch", json={"clips": [clip, wrong]})
    items = answer.get_json()["items"]
    assert sent(at, items[0]["request_id"])["nas_video_path"] == PATH
    assert (items[1]["error"]["code"], items[1]["error"]["field"]) == ("INVALID_REQUEST", "recording_id")
    parts = [{"recording_id": ID, **TIMES}, {"nas_video_path": "/nas/b.mp4", **TIMES}]
    answer = at.call("ada", "POST", "/v1/reel/request", json={"reel_id": "r", "clips": parts})
    assert answer.status_code == 202, answer.text
    message = sent(at, answer.get_json()["request_id"])
    assert [part["nas_video_path"] for part in message["clips"]] == [PATH, "/nas/b.mp4"]


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"recording_id": ID, "nas_video_path": PATH}, "must not be given together with nas_video_path"),
        ({"recording_id": ID, "source_uri": "s3://b-1/k"}, "must not be given together with source_uri"),
        ({"recording_id": 7}, "must be a string"),
        ({"recording_id": ""}, "must be the id of a recording"),
        ({"recording_id": "A" + ID[1:]}, "must be the id of a recording"),
        ({"recording_id": PATH}, "must be the id of a recording"),
        ({"recording_id": PreviewKeys("0" * 32).recording_id(PATH)}, "must be the id of a recording"),
        ({"recording_id": KEYS.recording_id("/nas/../etc/a.mp4")}, "must be a file inside"),
        ({"recording_id": KEYS.recording_id("/nas/a\nb.mp4")}, "rename the file"),
        ({"recording_id": KEYS.recording_id("/nas/\udcff.mp4")}, "rename the file"),
    ],
)
def test_ids_that_are_refused(over: dict[str, Any], said: str) -> None:
    ids = RecordingIds(KEYS, [NasRoot(path="/nas")])
    for call, field in (
        (lambda: ids.in_clip(over, None), "recording_id"),
        (lambda: ids.in_reel({"clips": [{}, over]}, None), "clips[1].recording_id"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            call()
        assert refused.value.field == field
        assert refused.value.message.startswith(field)
        assert said in refused.value.message


def test_null_is_as_left_out(at: Service) -> None:
    clip = {"hand_id": "h", "recording_id": None, "nas_video_path": PATH, **TIMES}
    assert at.call("ada", "POST", "/v1/clip/request", json=clip).status_code == 202
    del clip["nas_video_path"]
    answer = at.call("ada", "POST", "/v1/clip/request", json=clip)
    assert answer.get_json()["error"]["field"] == "nas_video_path"


def test_without_previews_there_are_no_ids() -> None:
    with pytest.raises(InvalidRequest, match=r"preview\.key"):
        RecordingIds(None, []).in_clip({"recording_id": ID}, None)


def test_an_id_of_a_root_that_the_caller_may_not_use_is_unknown() -> None:
    ids, body = RecordingIds(KEYS, [NasRoot(path="/nas"), NasRoot(path="/other")]), {"recording_id": ID}
    assert ids.in_clip(body, ["/nas"]) == {"nas_video_path": PATH}
    messages = set()
    for given, allowed in ((body, ["/other"]), (body, []), ({"recording_id": "none"}, None)):
        with pytest.raises(InvalidRequest) as refused:
            ids.in_clip(given, allowed)
        messages.add(refused.value.message)
    assert len(messages) == 1
