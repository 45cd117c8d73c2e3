"""Clips of callers with a place of their own, and what becomes of them when the configuration changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.domain.retention import Retention
from api.messaging import janitor
from api.messaging.janitor import MOST_FAILURES, RETRY, Janitor
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.store.layout import output_key
from clipping.store.open import open_store
from clipping.store.port import Store
from tests.api.owned import DAY, Service, service
from tests.api.rows import get
from tests.support.seaweed import Seaweed

ADA = {"ada": {"prefix": "ada/"}}


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
