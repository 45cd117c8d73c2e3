"""What a caller can do with the names of another's objects: nothing, and it learns nothing. A table of
answers, on each kind of store."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from sqlalchemy import event, select
from werkzeug.test import TestResponse

from api.db import clips
from api.db.tables import Clip, OutboxMessage
from clipping.contract.messages import RequestMessage
from clipping.contract.preview_keys import PreviewKeys
from clipping.store.layout import upload_folder
from clipping.store.local import LocalStore
from tests.api.houses import MAIL, PREFIXES, PREVIEW_SECRET, SHARED_ROOT, Houses, houses_in, root_of
from tests.api.owned import service
from tests.api.rows import put

COLUMNS = ("its own", "another caller's", "unknown")


@pytest.fixture(scope="module", params=["local", pytest.param("gcs", marks=pytest.mark.slow), "s3"])
def houses(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Houses]:
    with houses_in(request.param, request, tmp_path_factory.mktemp("houses")) as made:
        yield made


def clip_of(uri: str) -> dict[str, Any]:
    return {"hand_id": "h", "source_uri": uri, "start_seconds": 1, "end_seconds": 2}


def part_of(uri: str) -> dict[str, Any]:
    return {"source_uri": uri, "start_seconds": 1, "end_seconds": 2}


def missing(uri: str) -> str:
    """Another object in the same place, which does not exist."""
    return uri.replace("night.mp4", "none.mp4")


def request_clip(houses: Houses, caller: str, uri: str) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/request", json=clip_of(uri))


def plan_clip(houses: Houses, caller: str, uri: str) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/plan", json=clip_of(uri))


def request_batch(houses: Houses, caller: str, uri: str) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/batch", json={"clips": [clip_of(uri)]})


def request_reel(houses: Houses, caller: str, uri: str) -> TestResponse:
    reel = {"reel_id": "r", "clips": [part_of(uri)]}
    return houses.at.call(caller, "POST", "/v1/reel/request", json=reel)


Ask = Callable[[Houses, str, str | None], TestResponse]
"""Calls as a caller, with a name that is of another, or of none."""


def by_uri(ask: Callable[[Houses, str, str], TestResponse]) -> Ask:
    def call(houses: Houses, caller: str, other: str | None) -> TestResponse:
        uri = houses.recordings[other] if other else missing(houses.recordings[another(caller)])
        return ask(houses, caller, uri)

    return call


def by_path(ask: Callable[[Houses, str, dict[str, Any]], TestResponse]) -> Ask:
    def call(houses: Houses, caller: str, other: str | None) -> TestResponse:
        path = f"{root_of(other) if other else '/nowhere'}/night.mp4"
        return ask(houses, caller, {"nas_video_path": path, "start_seconds": 1, "end_seconds": 2})

    return call


def by_recording_id(ask: Callable[[Houses, str, dict[str, Any]], TestResponse]) -> Ask:
    keys = PreviewKeys(PREVIEW_SECRET)

    def call(houses: Houses, caller: str, other: str | None) -> TestResponse:
        recording_id = keys.recording_id(f"{root_of(other)}/night.mp4") if other else "none"
        return ask(houses, caller, {"recording_id": recording_id, "start_seconds": 1, "end_seconds": 2})

    return call


def post_clip(houses: Houses, caller: str, part: dict[str, Any]) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/request", json={"hand_id": "h", **part})


def post_plan(houses: Houses, caller: str, part: dict[str, Any]) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/plan", json={"hand_id": "h", **part})


def post_batch(houses: Houses, caller: str, part: dict[str, Any]) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/clip/batch", json={"clips": [{"hand_id": "h", **part}]})


def post_reel(houses: Houses, caller: str, part: dict[str, Any]) -> TestResponse:
    return houses.at.call(caller, "POST", "/v1/reel/request", json={"reel_id": "r", "clips": [part]})


def by_id(method: str, kind: str, what: str) -> Ask:
    def call(houses: Houses, caller: str, other: str | None) -> TestResponse:
        return houses.at.call(caller, method, f"/v1/{kind}/{houses.of(kind, other)}/{what}")

    return call


def by_cursor(houses: Houses, caller: str, other: str | None) -> TestResponse:
    cursor = houses.cursors[other] if other else "bm9uZQ"
    return houses.at.call(caller, "GET", f"/v1/clips?limit=1&cursor={cursor}")


def by_link(houses: Houses, caller: str, other: str | None) -> TestResponse:
    """The caller's own link, with another key put into it. Buckets serve theirs themselves."""
    link = urlsplit(houses.at.get(houses.clips[caller], "download", caller).get_json()["download_url"])
    owner = other or another(caller)
    key = f"{PREFIXES.get(owner, '')}clips/hand-1/{houses.of('clip', other)}.mp4"
    return houses.at.client.get(f"/v1/files/{key}?{link.query}", buffered=True)


def by_upload_url(houses: Houses, caller: str, other: str | None) -> TestResponse:
    """The caller's own upload URL, with another key put into it."""
    upload = begin_upload(houses, caller).get_json()
    url = urlsplit(upload["upload_url"])
    key = url.path.removeprefix("/v1/uploads/")
    if other != caller:
        folder = f"{PREFIXES.get(other or '', '')}{upload_folder(other or another(caller))}"
        key = f"{folder}{upload['upload_id']}/night.mp4"
    return houses.at.client.put(
        f"/v1/uploads/{key}?{url.query}", data=b"recording", headers=upload["headers"], buffered=True
    )


def begin_upload(houses: Houses, caller: str, filename: str = "night.mp4") -> TestResponse:
    body = {"filename": filename, "content_type": "video/mp4", "size_bytes": len(b"recording")}
    return houses.at.call(caller, "POST", "/v1/uploads", json=body)


SERVED_HERE = (by_link, by_upload_url)
"""By the API with a local store. Buckets verify their URLs themselves."""


def by_idempotency_key(houses: Houses, caller: str, other: str | None) -> TestResponse:
    """A key that another caller has used for the same body."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    body = {**clip_of(houses.recordings[caller]), "nas_video_path": "/nas/a.mp4"}
    del body["source_uri"]
    if other is not None:
        first = houses.at.call(other, "POST", "/v1/clip/request", json=body, headers=headers)
        assert first.status_code == 202
    return houses.at.call(caller, "POST", "/v1/clip/request", json=body, headers=headers)


def another(caller: str) -> str:
    return "bob" if caller != "bob" else "ada"


@dataclass(frozen=True)
class Entry:
    """A parameter through which a caller could name an object or request of another."""

    ask: Ask
    answers: tuple[int, int, int]
    """In the order of `COLUMNS`."""
    refused: bool = True
    """Whether the two last answers have an error, which must be the same."""


TABLE = {
    "`POST /v1/clip/request`: `source_uri`": Entry(by_uri(request_clip), (202, 400, 400)),
    "`POST /v1/clip/batch`: `clips[].source_uri`": Entry(by_uri(request_batch), (202, 400, 400)),
    "`POST /v1/clip/plan`: `source_uri`": Entry(by_uri(plan_clip), (503, 400, 400)),
    "`POST /v1/clip/plan`: `nas_video_path`": Entry(by_path(post_plan), (503, 400, 400)),
    "`POST /v1/clip/plan`: `recording_id`": Entry(by_recording_id(post_plan), (503, 400, 400)),
    "`POST /v1/reel/request`: `clips[].source_uri`": Entry(by_uri(request_reel), (202, 400, 400)),
    "`POST /v1/clip/request`: `nas_video_path`": Entry(by_path(post_clip), (202, 400, 400)),
    "`POST /v1/clip/batch`: `clips[].nas_video_path`": Entry(by_path(post_batch), (202, 400, 400)),
    "`POST /v1/reel/request`: `clips[].nas_video_path`": Entry(by_path(post_reel), (202, 400, 400)),
    "`POST /v1/clip/request`: `recording_id`": Entry(by_recording_id(post_clip), (202, 400, 400)),
    "`POST /v1/clip/batch`: `clips[].recording_id`": Entry(by_recording_id(post_batch), (202, 400, 400)),
    "`POST /v1/reel/request`: `clips[].recording_id`": Entry(by_recording_id(post_reel), (202, 400, 400)),
    "`POST /v1/clip/request`: `Idempotency-Key`": Entry(by_idempotency_key, (200, 202, 202), refused=False),
    **{
        f"`{method} /v1/{kind}/{{id}}/{what}`": Entry(by_id(method, kind, what), (own, 404, 404))
        for kind in ("clip", "reel")
        for method, what, own in (
            ("GET", "status", 200),
            ("GET", "events", 200),
            ("GET", "download", 200),
            ("POST", "cancel", 409),
            ("POST", "retry", 409),
        )
    },
    "`GET /v1/clips`: `cursor`": Entry(by_cursor, (200, 400, 400)),
    "`GET /v1/files/{key}`: `key`, `signature`": Entry(by_link, (200, 403, 403)),
    "`PUT /v1/uploads/{key}`: `key`, `signature`": Entry(by_upload_url, (200, 403, 403)),
}


def page_table() -> str:
    """The table as docs/reference/access.md has it."""
    lines = ["| named by | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(map(str, entry.answers))} |" for name, entry in TABLE.items()]
    return "\n".join(lines) + "\n"


def error_of(answer: TestResponse) -> Any:
    return answer.get_json()["error"]


def test_table(houses: Houses) -> None:
    """For each caller and each other one."""
    served = isinstance(houses.at.parts.store, LocalStore)
    for name, entry in TABLE.items():
        if entry.ask in SERVED_HERE and not served:
            continue
        for caller in houses.clips:
            unknown = entry.ask(houses, caller, None)
            for other in houses.clips:
                answer = entry.ask(houses, caller, other)
                expected = entry.answers[0 if other == caller else 1]
                assert answer.status_code == expected, (name, caller, other, answer.text)
                if other != caller and entry.refused:
                    assert error_of(answer) == error_of(unknown), (name, caller, other)
            assert unknown.status_code == entry.answers[2], (name, caller)


def test_the_page_shows_this_table() -> None:
    assert page_table() in (Path(__file__).parents[2] / "docs" / "reference" / "access.md").read_text()


def test_the_table_has_every_route_of_clients(tmp_path: Path) -> None:
    with service(tmp_path, {}) as at:
        rules = {
            f"{method} {rule.rule}".replace("<request_id>", "{id}").replace("<path:key>", "{key}")
            for rule in at.client.application.url_map.iter_rules()
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
            if rule.rule.startswith("/v1/") and not rule.rule.startswith(("/v1/admin/", "/v1/internal/"))
        }
    named = {name.split("`")[1] for name in TABLE}
    naming_nothing = {
        "GET /v1/stats",
        "GET /v1/stats/timeseries",
        "GET /v1/quota",
        "GET /v1/events",  # `since` is compared with the positions of changes, and never looked up
        "GET /v1/recordings",  # `root` is looked for among those of the caller
        "POST /v1/previews/token",
        "POST /v1/uploads",
    }
    assert rules - named == naming_nothing
    assert named <= rules


def test_lists_and_statistics_are_of_a_callers_own(houses: Houses) -> None:
    def totals() -> dict[str, int]:
        return {
            caller: houses.at.call(caller, "GET", "/v1/stats?period=30d").get_json()["total_requests"]
            for caller in (*houses.clips, "ops")
        }

    before = totals()
    assert request_clip(houses, "ada", houses.recordings["ada"]).status_code == 202
    assert totals() == {**before, "ada": before["ada"] + 1, "ops": before["ops"] + 1}
    for caller in houses.clips:
        foreign = {
            request_id
            for ids in (houses.clips, houses.reels)
            for owner, request_id in ids.items()
            if owner != caller
        }
        for query in ("", "?hand_id=hand-1", "?kind=reel", "?status=completed", "?limit=200"):
            shown = houses.at.call(caller, "GET", f"/v1/clips{query}").get_json()["clips"]
            assert not {clip["request_id"] for clip in shown} & foreign
            text = json.dumps(shown)
            assert not any(f"/{prefix}" in text for name, prefix in PREFIXES.items() if name != caller)
    everything = houses.at.call("ops", "GET", "/v1/clips?status=completed").get_json()["clips"]
    assert len(everything) == 2 * len(houses.clips)


def test_a_caller_with_some_roots_gets_no_further(houses: Houses) -> None:
    def asked(caller: str, path: str) -> TestResponse:
        return post_clip(houses, caller, {"nas_video_path": path, "start_seconds": 1, "end_seconds": 2})

    for caller in houses.clips:
        own, other = root_of(caller), root_of(another(caller))
        assert asked(caller, f"{SHARED_ROOT}/a.mp4").status_code == 202
        for path in (
            f"{own}x/a.mp4",
            f"{own}/../{other}/a.mp4",
            f"/{other}/a.mp4",
            f"{other}//a.mp4",
            "/a",
        ):
            assert asked(caller, path).status_code == 400, path
        assert asked("ops", f"{own}/a.mp4").status_code == 202


def test_requests_and_preview_tokens_name_the_roots_of_their_caller(houses: Houses) -> None:
    keys = PreviewKeys(PREVIEW_SECRET)
    for caller in houses.clips:
        own = [SHARED_ROOT, root_of(caller)]
        issued = houses.at.call(caller, "POST", "/v1/previews/token").get_json()
        assert issued["roots"] == own
        assert keys.verify(issued["token"], datetime.now(UTC)).roots == tuple(own)
        made = by_path(post_clip)(houses, caller, caller).get_json()["request_id"]
        with houses.at.parts.database.read() as session:
            row = session.get_one(Clip, made)
            sent = select(OutboxMessage.payload).where(OutboxMessage.key == made)
            message = RequestMessage.from_json(session.scalars(sent).one())
        assert message.roots == own
        assert clips.message_of(row) == message
        assert clips.request_of(row).nas_video_path == message.nas_video_path
    everything = houses.at.call("ops", "POST", "/v1/previews/token").get_json()["roots"]
    assert everything == [SHARED_ROOT, *map(root_of, houses.clips)]


def test_a_retry_is_limited_to_the_roots_that_the_owner_has_now(houses: Houses) -> None:
    """A request from before its owner was limited."""
    refused, taken = (
        put(houses.at.parts.database, owner="ada", nas_video_path=f"{root_of(root)}/a.mp4", status="failed")
        for root in ("bob", "ada")
    )
    for caller in ("ada", "ops"):
        answer = houses.at.call(caller, "POST", f"/v1/clip/{refused}/retry")
        assert (answer.status_code, error_of(answer)["field"]) == (400, "nas_video_path")
        assert houses.at.call(caller, "POST", f"/v1/clip/{taken}/retry").status_code == 202


def test_the_name_of_an_uploaded_file_leads_nowhere(houses: Houses) -> None:
    names = (
        "../../../bob/a.mp4",
        "/bob/a.mp4",
        "..%2f..%2fbob%2fa.mp4",
        "..",
        "a/../../b",
        ".hidden",
        "\u2025/x",
    )
    for caller in houses.clips:
        folder = f"/{PREFIXES.get(caller, '')}{upload_folder(caller)}"
        for name in names:
            upload = begin_upload(houses, caller, name).get_json()
            upload_id, file = upload["source_uri"].partition(folder)[2].split("/")
            assert upload_id == upload["upload_id"]
            assert not file.startswith(".")


def test_a_bucket_that_is_not_open_to_a_caller_is_as_one_that_is_not_there(houses: Houses) -> None:
    assert request_clip(houses, "ada", "s3://for-ada/a.mp4").status_code == 202
    texts = {
        error_of(request_clip(houses, "bob", uri))["message"]
        for uri in ("s3://for-ada/a.mp4", "s3://not-there/a.mp4", "gs://for-ada/a.mp4", "s3://for-ada2/a.mp4")
    }
    assert len(texts) == 1


def test_an_administrator_sees_all_requests_and_cuts_from_none_of_their_objects(houses: Houses) -> None:
    for owner, request_id in houses.clips.items():
        assert houses.at.get(request_id, "status", "ops").status_code == 200
        link = houses.at.get(request_id, "download", "ops").get_json()["download_url"]
        assert request_id in link
        for caller in ("ops", "ADA"):
            assert request_clip(houses, caller, houses.recordings[owner]).status_code == 400


def test_no_page_without_a_key_names_a_caller_or_a_place(houses: Houses) -> None:
    for name in TABLE.values():
        if name.ask not in SERVED_HERE:
            name.ask(houses, "ada", "bob")
    for path in ("/", "/health", "/metrics", "/openapi.yaml", "/docs"):
        text = houses.at.client.get(path, buffered=True).text
        for word in (*PREFIXES.values(), MAIL, str(houses.at.config.storage.bucket or houses.at.folder)):
            assert word not in text, (path, word)


def test_whose_id_it_is_makes_no_difference_to_the_work(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the time of the answer would give it away."""
    here = threading.get_ident()
    statements: list[str] = []
    asked: list[str] = []
    event.listen(
        houses.at.parts.database.engine,
        "before_cursor_execute",
        lambda *call: statements.append(call[2]) if threading.get_ident() == here else None,
    )
    for method in ("stat", "sign", "list", "get"):
        monkeypatch.setattr(type(houses.at.parts.store), method, lambda *_, **__: asked.append("store"))

    def work(entry: Entry, other: str | None) -> tuple[list[str], int]:
        statements.clear()
        entry.ask(houses, "eve", other)
        return list(statements), len(asked)

    for name, entry in TABLE.items():
        if entry.refused and entry.ask not in SERVED_HERE:
            assert work(entry, "ada") == work(entry, None), name
    assert asked == []


def test_each_place_is_used_with_its_own_credentials(houses: Houses) -> None:
    if isinstance(houses.at.parts.store, LocalStore):
        pytest.skip("a folder has no credentials")
    seen = {}
    for owner, request_id in houses.clips.items():
        link = houses.at.get(request_id, "download", owner).get_json()["download_url"]
        query = parse_qs(urlsplit(link).query)
        (credential,) = query.get("X-Amz-Credential") or query["X-Goog-Credential"]
        seen[owner] = credential.split("/")[0]
    if houses.at.config.storage.backend == "s3":
        assert seen == {
            "ada": "clipping-ada",
            "bob": "clipping-bob",
            MAIL: "clipping-test",
            "eve": "clipping-test",
        }
    else:
        names = {"ada": "ada", "bob": "bob", MAIL: "cleo", "eve": "all"}
        assert seen == {owner: f"{name}@x.gserviceaccount.com" for owner, name in names.items()}


def test_a_signed_link_is_good_for_nothing_else(houses: Houses) -> None:
    """Every part of a link to the local store is signed."""
    if not isinstance(houses.at.parts.store, LocalStore):
        pytest.skip("buckets verify their own links")
    link = urlsplit(houses.at.get(houses.clips["ada"], "download", "ada").get_json()["download_url"])
    query = {name: values[0] for name, values in parse_qs(link.query).items()}
    key = link.path.removeprefix("/v1/files/")
    other = f"bob/clips/hand-1/{houses.clips['bob']}.mp4"

    def get(key: str, **over: str) -> TestResponse:
        return houses.at.client.get(f"/v1/files/{key}?{urlencode({**query, **over})}", buffered=True)

    assert get(key).text == "clip of ada"
    altered = [
        get(other),
        get(f"ada/../{other}"),
        get(f"ada/%2e%2e/{other}"),
        get(f"ada//../{other}"),
        get(key.replace("ada", "ADA")),
        get(key.removeprefix("ada/")),
        get(f"{key}/../../../../{other}"),
        get("bob/clips/none/none.mp4"),
        get(f"uploads/{upload_folder('eve')}upload-1/night.mp4"),
        get(key, filename="other.mp4"),
        get(key, expires=str(int(query["expires"]) + 1)),
        get(key, signature=query["signature"].upper() if query["signature"].islower() else "x"),
        get(key, signature=""),
    ]
    assert {answer.status_code for answer in altered} <= {403, 404}
    assert {error_of(answer)["message"] for answer in altered if answer.status_code == 403} == {
        "this download link is not valid: ask for a new one"
    }
