"""Clips of callers with a place of their own, and what becomes of them when the configuration changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from api.app import create_app
from api.db import schema
from api.db.tables import Clip
from api.domain.retention import Retention
from api.messaging import janitor
from api.messaging.janitor import MOST_FAILURES, RETRY, Janitor
from api.services import Services
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.store.layout import output_key
from clipping.store.open import open_store
from clipping.store.owners import OwnerStores
from clipping.store.port import Store
from tests.api.api_process import key
from tests.api.messages import completed
from tests.api.rows import get, put, report
from tests.support.seaweed import Seaweed

ADA = {"ada": {"prefix": "ada/"}}
DAY = timedelta(days=1)


@dataclass
class Service:
    """An API in this process."""

    client: FlaskClient
    parts: Services
    folder: Path
    config: Any
    stores: OwnerStores = field(init=False)

    def __post_init__(self) -> None:
        self.stores = OwnerStores(self.config, self.parts.store)

    def completed(self, owner: str, *, short: bool = False, store: Store | None = None) -> str:
        """A request whose clip is where the configuration says."""
        shape: dict[str, Any] = {"output": {"aspect": "9:16"}, "mode": "encode"} if short else {}
        request_id = put(self.parts.database, owner=owner, **shape)
        where = output_key(request_id, "hand-1", "mp4", short=short)
        source = self.folder / request_id
        source.write_text(f"clip of {owner}")
        at = store or self.stores.of(owner)
        at.create(where, source, content_type="video/mp4", metadata={"request_id": request_id})
        link = at.sign(where, filename="hand-1.mp4", seconds=7 * 86_400)
        fields = {"output_uri": at.uri(where), "download_url": link.url}
        end = completed(request_id=request_id, download_url_expires_at=link.expires_at, **fields)
        report(self.parts.database, end, at=datetime.now(UTC))
        return request_id

    def get(self, request_id: str, what: str, owner: str) -> TestResponse:
        headers = {"Authorization": f"Bearer key-{owner}"}
        return self.client.get(f"/v1/clip/{request_id}/{what}", headers=headers)

    def fetch(self, link: str) -> str:
        parts = urlsplit(link)
        answer = self.client.get(f"{parts.path}?{parts.query}", buffered=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def has_new_link(self, request_id: str) -> bool:
        """Whether the API has signed one."""
        return get(self.parts.database, request_id).link_url is not None

    def make_link_due(self, request_id: str) -> None:
        """Let the agent's link have an hour left."""
        now = datetime.now(UTC)
        times = {"link_signed_at": now - 6 * DAY, "link_expires_at": now + timedelta(hours=1)}
        with self.parts.database.write() as session:
            session.execute(update(Clip).where(Clip.request_id == request_id).values(**times))


@contextmanager
def service(folder: Path, owners: dict[str, Any], **storage: Any) -> Iterator[Service]:
    tree = {
        "storage": {"path": str(folder / "store"), **storage},
        "owners": owners,
        "api": {
            "database_url": f"sqlite:///{folder}/x.db",
            "keys": [
                key(name, role, f"key-{name}")
                for name, role in (("ada", "client"), ("bob", "client"), ("eve", "client"), ("ops", "admin"))
            ],
        },
    }
    config = validate(tree)
    app = create_app(config)
    parts: Services = app.extensions["clipping"]
    schema.migrate(parts.database)
    yield Service(app.test_client(), parts, folder, config)
    parts.database.close()


def test_a_clip_in_its_callers_place_is_downloaded_from_there(tmp_path: Path) -> None:
    with service(tmp_path, ADA, prefix="team/") as at:
        for owner, where in (("ada", "ada/clips"), ("eve", "clips")):
            request_id = at.completed(owner)
            answer = at.get(request_id, "download", owner)
            assert answer.status_code == 200, answer.text
            link = answer.get_json()["download_url"]
            assert f"/v1/files/{where}/hand-1/{request_id}.mp4?" in link
            assert at.fetch(link) == f"clip of {owner}"
            at.make_link_due(request_id)
            shown = at.get(request_id, "status", owner).get_json()
            assert shown["output_uri"].endswith(f"/objects/team/{where}/hand-1/{request_id}.mp4")
            assert at.fetch(shown["download_url"]) == f"clip of {owner}"
            assert at.has_new_link(request_id)


@pytest.mark.parametrize(
    ("before", "after", "served"),
    [
        ({}, ADA, True),  # its earlier clips stay in the shared place
        (ADA, {}, False),
        (ADA, {"ada": {"prefix": "lovelace/"}}, False),
        (ADA, {**ADA, "bob": {"prefix": "bob/"}}, True),
    ],
)
def test_clips_of_before_a_change_of_the_configuration(
    before: dict[str, Any], after: dict[str, Any], served: bool, tmp_path: Path
) -> None:
    with service(tmp_path, before) as at:
        request_id = at.completed("ada")
    with service(tmp_path, after) as at:
        answer = at.get(request_id, "download", "ada")
        at.make_link_due(request_id)
        shown = at.get(request_id, "status", "ada").get_json()
        assert at.fetch(shown["download_url"]) == "clip of ada", "links that were given out work to their end"
        if served:
            assert at.fetch(answer.get_json()["download_url"]) == "clip of ada"
            assert at.has_new_link(request_id)
        else:
            assert (answer.status_code, answer.get_json()["error"]["code"]) == (410, "EXPIRED")
            assert not at.has_new_link(request_id)
            # An operator who moves the objects to the new place keeps the clips.
            request = get(at.parts.database, request_id)
            moved = tmp_path / "moved"
            moved.write_text("moved")
            at.stores.of("ada").create(
                output_key(request_id, request.hand_id, "mp4", short=False),
                moved,
                content_type="video/mp4",
                metadata={},
            )
            assert at.fetch(at.get(request_id, "download", "ada").get_json()["download_url"]) == "moved"
            shown = at.get(request_id, "status", "ada").get_json()
            assert at.fetch(shown["download_url"]) == "moved"


@pytest.mark.parametrize("folder", ["clips", "shorts"])
def test_expired_clips_are_deleted_in_both_places_of_a_caller(tmp_path: Path, folder: str) -> None:
    with service(tmp_path, {}) as at:
        old = at.completed("ada", short=folder == "shorts")
    with service(tmp_path, ADA) as at:
        new = at.completed("ada", short=folder == "shorts")
        # Made twice, when agents had different configurations.
        again = output_key(new, "hand-1", "mp4", short=folder == "shorts")
        (tmp_path / "twice").write_text("twice")
        at.stores.shared.create(again, tmp_path / "twice", content_type="video/mp4", metadata={})
        with service(tmp_path, {}) as other:
            stranger = other.completed("eve", short=folder == "shorts")
        clock = ManualClock(datetime.now(UTC))
        clock.advance(30 * 86_400 + 60)
        sweeping = Janitor(Retention.of(at.config), database=at.parts.database, stores=at.stores, clock=clock)
        assert sweeping.sweep() == 3
        assert at.stores.shared.list("").objects == ()
        assert all(get(at.parts.database, each).deleted_at for each in (old, new, stranger))


@pytest.fixture
def broken(seaweed: Seaweed, tmp_path: Path) -> Iterator[Service]:
    """A service whose caller ada has credentials that do not work, in a bucket."""
    seaweed.empty(seaweed.customers())
    bad = tmp_path / "bad"
    bad.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    good = tmp_path / "good"
    good.write_text(seaweed.key_of("bob"))
    owners = {
        "ada": {"prefix": "ada/", "credentials": str(bad)},
        "bob": {"prefix": "bob/", "credentials": str(good)},
    }
    with ExitStack() as stack:
        storage = {
            "backend": "s3",
            "bucket": seaweed.customers(),
            "endpoint": seaweed.url,
            "credentials": str(seaweed.credentials),
            "path": None,
        }
        yield stack.enter_context(service(tmp_path, owners, **storage))


def in_place(at: Service, owner: str) -> Store:
    """The caller's place with the service's credentials."""
    if owner not in at.config.owners:
        return at.parts.store
    own = {owner: {"prefix": f"{owner}/"}}
    return open_store(at.config.model_copy(update={"owners": validate({"owners": own}).owners}), owner=owner)


def test_credentials_that_are_rejected_concern_their_caller_alone(broken: Service) -> None:
    at = broken
    ids = {owner: at.completed(owner, store=in_place(at, owner)) for owner in ("ada", "bob", "eve")}
    for request_id in ids.values():
        at.make_link_due(request_id)
    refused = at.get(ids["ada"], "download", "ada")
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
    for owner in ("bob", "eve"):
        assert at.get(ids[owner], "download", owner).status_code == 200
    (at.folder / "bad").unlink()
    listed = at.client.get("/v1/clips", headers={"Authorization": "Bearer key-ops"})
    assert len(listed.get_json()["clips"]) == len(ids)
    renewed = {owner: at.has_new_link(ids[owner]) for owner in ids}
    assert renewed == {"ada": False, "bob": True, "eve": True}


def test_objects_that_can_not_be_deleted_are_in_nobodys_way(
    broken: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = broken
    monkeypatch.setattr(janitor, "BATCH", 4)
    stuck = [at.completed("ada", short=True, store=in_place(at, "ada")) for _ in range(MOST_FAILURES + 3)]
    others = [at.completed(owner, short=True, store=in_place(at, owner)) for owner in ("bob", "eve")]
    clock = ManualClock(datetime.now(UTC) + DAY)
    counted: list[tuple[int, int]] = []
    sweeping = Janitor(
        Retention.of(at.config),
        database=at.parts.database,
        stores=at.stores,
        clock=clock,
        count=lambda deleted, failed: counted.append((deleted, failed)),
    )
    assert sweeping.sweep() == len(others)
    assert counted == [(len(others), MOST_FAILURES)]
    assert all(get(at.parts.database, each).deleted_at for each in others)
    (at.folder / "bad").write_text(Seaweed.key_of("ada"))
    clock.advance(RETRY.total_seconds())
    assert sweeping.sweep() == len(stuck)
    assert at.stores.shared.list("").objects == ()
