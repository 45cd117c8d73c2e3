"""What callers see of a clip's life: when it expires, links that always work, and what comes after."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from api.app import create_app
from api.clips import links
from api.db import schema
from api.db.engine import Database
from api.db.tables import Clip
from api.services import Services
from clipping.clock import rfc3339
from clipping.config import validate
from clipping.contract.choices import Beside
from clipping.errors import QueueUnavailable
from clipping.store.layout import beside_key, output_key
from tests.api.api_process import CLIENT, key
from tests.api.messages import completed
from tests.api.rows import get, put, report

HEADERS = {"Authorization": f"Bearer {CLIENT}"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Service:
    """An API in this process. Time passes by making rows older."""

    client: FlaskClient
    parts: Services
    folder: Path

    def completed(self, *, short: bool = False, **over: Any) -> str:
        """A request whose clip is in the store, with a link of the agent's."""
        shape: dict[str, Any] = {"output": {"aspect": "9:16"}, "mode": "encode"} if short else {}
        request_id = put(self.parts.database, **shape)
        self.end(request_id, short=short, **over)
        return request_id

    def end(self, request_id: str, *, short: bool = False, **over: Any) -> None:
        now = datetime.now(UTC)
        where = output_key(request_id, "hand-1", "mp4", short=short)
        source = self.folder / request_id
        source.write_bytes(b"clip")
        store = self.parts.store
        store.create(where, source, content_type="video/mp4", metadata={"request_id": request_id})
        link = store.sign(where, filename="hand-1.mp4", seconds=7 * 86_400)
        fields = {
            "output_uri": store.uri(where),
            "completed_at": now,
            "download_url": link.url,
            "download_url_expires_at": link.expires_at,
            **over,
        }
        report(self.parts.database, completed(request_id=request_id, **fields), at=now)

    def completed_with_posters(self, request_id: str | None = None, **over: Any) -> str:
        """As `completed`, with posters beside the clip and links to them."""
        request_id = request_id or put(self.parts.database)
        store = self.parts.store
        links: dict[str, str] = {}
        files: dict[str, Beside] = {"poster_url": "poster", "contact_sheet_url": "contact_sheet"}
        for field, file in files.items():
            key = beside_key(output_key(request_id, "hand-1", "mp4", short=False), request_id, file)
            image = self.folder / file
            image.write_bytes(file.encode())
            store.create(key, image, content_type="image/jpeg", metadata={"request_id": request_id})
            links[field] = store.sign(key, filename="first.jpg", seconds=7 * 86_400).url
        self.end(request_id, **links, **over)
        return request_id

    def pass_time(self, request_id: str, passed: timedelta) -> None:
        """Let its row look as it will after this time. A link in the completion keeps its times."""
        row = get(self.parts.database, request_id)
        names = ("stored_at", "link_signed_at", "link_expires_at")
        older = {name: at - passed for name in names if (at := getattr(row, name)) is not None}
        with self.parts.database.write() as session:
            session.execute(update(Clip).where(Clip.request_id == request_id).values(**older))

    def get(self, request_id: str, what: str = "status", **headers: str) -> TestResponse:
        path = f"/v1/clip/{request_id}/{what}"
        return self.client.get(
            path, headers={**HEADERS, **{n.replace("_", "-"): v for n, v in headers.items()}}
        )

    def status(self, request_id: str) -> dict[str, Any]:
        answer = self.get(request_id)
        assert answer.status_code == 200, answer.text
        return cast("dict[str, Any]", answer.json)

    def listed(self, request_id: str) -> dict[str, Any]:
        answer = self.client.get("/v1/clips", headers=HEADERS)
        (found,) = [clip for clip in answer.json["clips"] if clip["request_id"] == request_id]
        return cast("dict[str, Any]", found)

    def works(self, link: str) -> bool:
        parts = urlsplit(link)
        return self.client.head(f"{parts.path}?{parts.query}").status_code == 200

    def break_signing(self) -> None:
        (self.folder / "signing.key").write_text("damaged")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    tree = {
        "storage": {"path": str(tmp_path)},
        "limits": {"short_retention_hours": 6, "shorts_per_day": 0},
        "api": {"database_url": f"sqlite:///{tmp_path}/x.db", "keys": [key("web", "client", CLIENT)]},
    }
    app = create_app(validate(tree))
    parts: Services = app.extensions["clipping"]
    schema.migrate(parts.database)
    yield Service(app.test_client(), parts, tmp_path)
    parts.database.close()


def expiry_of(link: str) -> datetime:
    return datetime.fromtimestamp(int(parse_qs(urlsplit(link).query)["expires"][0]), UTC)


@pytest.mark.parametrize(("short", "life"), [(True, 6 * HOUR), (False, 30 * DAY)])
def test_a_status_says_until_when_the_clip_is_kept(service: Service, short: bool, life: timedelta) -> None:
    request_id = service.completed(short=short)
    stored_at = get(service.parts.database, request_id).stored_at
    assert stored_at is not None
    for shown in (service.status(request_id), service.listed(request_id)):
        assert shown["expires_at"] == rfc3339(stored_at + life)
        # The agent's link is valid for a week, if the clip is.
        link_ends = datetime.fromisoformat(shown["download_url_expires_at"])
        assert link_ends - datetime.now(UTC) < min(life, 7 * DAY)
        assert service.works(shown["download_url"])


def test_the_life_does_not_follow_the_agents_clock(service: Service) -> None:
    request_id = service.completed(short=True, completed_at=datetime(2020, 1, 1, tzinfo=UTC))
    expires_at = datetime.fromisoformat(service.status(request_id)["expires_at"])
    assert timedelta(hours=5.9) < expires_at - datetime.now(UTC) <= 6 * HOUR


@pytest.mark.parametrize("swept", [False, True])
def test_after_its_end_a_clip_is_expired(service: Service, swept: bool) -> None:
    request_id = service.completed(short=True)
    etag = service.get(request_id).headers["ETag"]
    expires_at = datetime.fromisoformat(service.status(request_id)["expires_at"]) - 6 * HOUR
    service.pass_time(request_id, 6 * HOUR)
    if swept:
        for info in service.parts.store.list("shorts/").objects:
            service.parts.store.delete(info.key)
    message = (
        "the clip was deleted at the end of its retention period, on "
        f"{expires_at:%Y-%m-%d %H:%M} UTC: request it again"
    )
    for answer in (
        service.get(request_id),
        service.get(request_id, If_None_Match=etag),
        service.get(request_id, "download"),
        service.get(request_id, "events"),
    ):
        assert answer.status_code == 410
        assert answer.json["error"] == {"code": "EXPIRED", "message": message}
    shown = service.listed(request_id)
    assert (shown["status"], shown["file_size_bytes"]) == ("completed", 1000)
    assert shown["expires_at"] == rfc3339(expires_at)
    assert "download_url" not in shown
    assert "download_url_expires_at" not in shown
    cancelled = service.client.post(f"/v1/clip/{request_id}/cancel", headers=HEADERS)
    assert (cancelled.status_code, cancelled.json["error"]["code"]) == (409, "ALREADY_FINISHED")


def test_a_clip_that_failed_has_no_end(service: Service) -> None:
    request_id = put(service.parts.database)
    assert "expires_at" not in service.status(request_id)


def ask(service: Service, *, batch: int = 0) -> TestResponse:
    clip = {
        "hand_id": "hand-1",
        "nas_video_path": "/nas/a.mp4",
        "start_seconds": 1,
        "end_seconds": 20,
        "output": {"aspect": "9:16"},
        "mode": "encode",
    }
    headers = {**HEADERS, "Idempotency-Key": f"key-{batch}"}
    if batch:
        return service.client.post("/v1/clip/batch", json={"clips": [clip] * batch}, headers=headers)
    return service.client.post("/v1/clip/request", json=clip, headers=headers)


@pytest.fixture
def accepting(service: Service) -> Iterator[Service]:
    service.parts.committer.start()
    yield service
    service.parts.committer.stop(10)


def test_the_same_request_after_the_end_makes_a_new_clip(accepting: Service) -> None:
    first = ask(accepting)
    assert (first.status_code, ask(accepting).status_code) == (202, 200)
    request_id = first.json["request_id"]
    accepting.end(request_id, short=True)
    accepting.pass_time(request_id, 5 * HOUR)
    assert ask(accepting).json["request_id"] == request_id
    accepting.pass_time(request_id, HOUR)
    again = ask(accepting)
    assert again.status_code == 202
    assert again.json["request_id"] != request_id
    assert ask(accepting).json["request_id"] == again.json["request_id"]


def test_a_batch_is_made_again_when_all_its_clips_have_expired(accepting: Service) -> None:
    first = ask(accepting, batch=2)
    ids = [item["request_id"] for item in first.json["items"]]
    for request_id in ids:
        accepting.end(request_id, short=True)
    accepting.pass_time(ids[0], 6 * HOUR)
    assert ask(accepting, batch=2).json == first.json
    accepting.pass_time(ids[1], 6 * HOUR)
    again = ask(accepting, batch=2)
    assert again.status_code == 202
    assert not set(ids) & {item["request_id"] for item in again.json["items"]}


def test_a_link_is_signed_again_when_half_its_life_is_over(service: Service) -> None:
    request_id = service.completed()
    first = service.get(request_id)
    service.pass_time(request_id, timedelta(days=3.4))
    known = {"If_None_Match": first.headers["ETag"]}
    assert service.get(request_id, **known).status_code == 304
    service.pass_time(request_id, timedelta(days=0.2))
    second = service.get(request_id, **known)
    assert second.status_code == 200
    assert second.headers["ETag"] != first.headers["ETag"]
    new = second.json["download_url_expires_at"]
    assert datetime.fromisoformat(new) - datetime.now(UTC) > timedelta(days=6.9)
    assert expiry_of(second.json["download_url"]) == datetime.fromisoformat(new)
    assert service.works(second.json["download_url"])
    known = {"If_None_Match": second.headers["ETag"]}
    assert service.get(request_id, **known).status_code == 304
    assert service.status(request_id) == second.json == service.listed(request_id)


def test_a_dead_link_is_never_shown(service: Service) -> None:
    dead = {"download_url": "https://x.test/dead", "download_url_expires_at": datetime.now(UTC) - HOUR}
    request_id, other = service.completed(**dead), service.completed(**dead)
    assert service.works(service.listed(request_id)["download_url"])
    assert service.works(service.status(other)["download_url"])


def test_a_new_link_does_not_outlive_the_clip(service: Service) -> None:
    request_id = service.completed()
    service.pass_time(request_id, 29 * DAY)
    shown = service.status(request_id)
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert left < DAY
    assert shown["download_url_expires_at"] <= shown["expires_at"]
    assert expiry_of(shown["download_url"]) <= datetime.fromisoformat(shown["expires_at"])
    download = service.get(request_id, "download").json
    assert download["expires_at"] <= shown["expires_at"]
    # It can't get longer, so it is not signed again.
    etag = service.get(request_id).headers["ETag"]
    assert service.get(request_id, If_None_Match=etag).status_code == 304


def test_without_signatures_a_status_keeps_its_link_while_it_works(service: Service) -> None:
    alive = service.completed(
        download_url_expires_at=datetime.now(UTC) + HOUR, download_url="https://x.test/a"
    )
    dead = service.completed(download_url_expires_at=datetime.now(UTC) - HOUR)
    service.pass_time(alive, timedelta(hours=0.9))
    service.break_signing()
    for _ in range(2):  # then without another try
        assert "download_url" not in service.status(dead)
    assert "download_url" not in service.listed(dead)
    assert service.status(alive)["download_url"] == "https://x.test/a"
    assert service.get(dead, "download").status_code == 503


def test_a_link_is_shown_even_if_the_database_can_not_keep_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = service.completed(download_url_expires_at=datetime.now(UTC) - HOUR)

    @contextmanager
    def busy(_: Database) -> Iterator[Session]:
        raise QueueUnavailable("the database is too busy")
        yield

    monkeypatch.setattr(Database, "write", busy)
    assert service.works(service.status(request_id)["download_url"])
    monkeypatch.undo()
    assert get(service.parts.database, request_id).link_url is None


def test_a_list_signs_for_a_limited_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = service.completed(download_url_expires_at=datetime.now(UTC) - HOUR)
    monkeypatch.setattr(links, "LIST_SECONDS", 0.0)
    assert "download_url" not in service.listed(request_id)
    monkeypatch.undo()
    assert "download_url" in service.listed(request_id)


def test_a_request_of_an_earlier_version_gets_a_link(service: Service) -> None:
    request_id = service.completed()
    with service.parts.database.write() as session:
        none = {"link_signed_at": None, "link_expires_at": None}
        session.execute(update(Clip).where(Clip.request_id == request_id).values(**none))
    assert service.works(service.status(request_id)["download_url"])
    assert get(service.parts.database, request_id).link_url is not None


POSTERS = ("poster_url", "contact_sheet_url")


def test_the_links_to_posters_live_as_long_as_the_clips(service: Service) -> None:
    request_id, without = service.completed_with_posters(), service.completed()
    first = service.status(request_id)
    assert all(service.works(first[name]) for name in POSTERS)
    assert service.listed(request_id) == first
    assert not {*POSTERS} & service.status(without).keys()
    service.pass_time(request_id, 4 * DAY)
    renewed = service.status(request_id)
    assert get(service.parts.database, request_id).link_url == renewed["download_url"]
    for name in POSTERS:
        assert renewed[name] != first[name], "the new ones have other names"
        assert service.works(renewed[name])
    assert service.status(request_id) == renewed
    service.pass_time(request_id, 31 * DAY)
    assert service.get(request_id).status_code == 410
    assert not {*POSTERS} & service.listed(request_id).keys()


def test_a_clip_that_was_moved_without_its_poster_has_a_link(service: Service) -> None:
    """Objects of a caller may be moved; where, is then looked for."""
    request_id = put(service.parts.database)
    elsewhere = f"gs://former/of-customers/clips/hand-1/{request_id}.mp4"
    service.completed_with_posters(request_id, output_uri=elsewhere)
    service.parts.store.delete(f"clips/hand-1/{request_id}.jpg")
    service.pass_time(request_id, 4 * DAY)
    renewed = service.status(request_id)
    assert get(service.parts.database, request_id).link_url == renewed["download_url"]
    assert service.works(renewed["download_url"])
    assert service.works(renewed["contact_sheet_url"])
    assert "poster_url" not in renewed


def test_posters_are_downloaded_under_their_names(service: Service) -> None:
    request_id, without = service.completed_with_posters(), service.completed()
    for file, name in (("poster", "hand-1.jpg"), ("contact_sheet", "hand-1-sheet.jpg")):
        link = service.get(request_id, f"download?file={file}").json
        assert link is not None
        parts = urlsplit(link["download_url"])
        with service.client.get(f"{parts.path}?{parts.query}") as answer:
            assert (answer.data, answer.mimetype) == (file.encode(), "image/jpeg")
            assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert service.get(without, f"download?file={file}").status_code == 404
    assert service.get(request_id, "download?file=tsv").status_code == 404
    assert service.get(request_id, "download?file=video").status_code == 200
    assert service.get(request_id, "download?files=poster").status_code == 400
