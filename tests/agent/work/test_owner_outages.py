"""Callers whose credentials for the store are broken: others do not notice."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.work import job_runner, owner_outages
from agent.work.deferred import is_over
from agent.work.delivery import Courier
from agent.work.job import Job
from agent.work.job_runner import JobRunner
from agent.work.owner_outages import OWNER, OwnerOutages
from clipping.clock import SystemClock
from clipping.config import Config, validate
from clipping.contract.messages import CompletionMessage
from clipping.errors import BusUnavailable, SigningUnavailable, StoreUnavailable
from clipping.store.open import open_store
from clipping.store.owners import OwnerStores
from tests.agent.bench import Bench
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually


@dataclass
class Places:
    """The bucket of ada and bob. Ada's key does not work yet."""

    seaweed: Seaweed
    config: Config
    stores: OwnerStores
    outages: OwnerOutages
    key: Path

    def mend(self) -> None:
        self.key.write_text(self.seaweed.key_of("ada"))


@pytest.fixture
def places(seaweed: Seaweed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    monkeypatch.setattr(owner_outages, "INTERVAL_SECONDS", 0.05)
    seaweed.empty(seaweed.customers())
    keys = {name: tmp_path / f"{name}.key" for name in ("ada", "bob")}
    keys["bob"].write_text(seaweed.key_of("bob"))
    tree: dict[str, Any] = {
        "storage": {
            "backend": "s3",
            "bucket": seaweed.customers(),
            "endpoint": seaweed.url,
            "credentials": str(seaweed.credentials),
            "path": None,
        },
        "owners": {name: {"prefix": f"{name}/", "credentials": str(key)} for name, key in keys.items()},
    }
    config = validate(tree)
    stores = OwnerStores(config, open_store(config))
    outages = OwnerOutages(stores, "nas-1", SystemClock())
    yield Places(seaweed, config, stores, outages, keys["ada"])
    outages.close()


def test_a_store_is_checked_after_it_has_failed_until_it_works(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    outages, error = places.outages, StoreUnavailable("away")
    assert outages.causes("ada", error) == ()
    assert outages.read() == {}
    outages.check("ada")
    failed_at = time.monotonic()
    outages.failed("ada", error)
    with pytest.raises(StoreUnavailable, match="away"):
        outages.check("ada")
    outages.check("bob")
    assert outages.causes("ada", error) == outages.causes("ada", SigningUnavailable("x")) == (f"{OWNER}ada",)
    assert outages.causes("ada", BusUnavailable("x")) == outages.causes("bob", error) == ()
    failing = eventually(lambda: "credentials" in outages.read()[f"{OWNER}ada"].detail and outages.read())
    assert not is_over((f"{OWNER}ada",), failing, failed_at)
    places.key.write_text(places.seaweed.key_of("bob"))  # may not write there
    eventually(lambda: "denied" in outages.read()[f"{OWNER}ada"].detail)
    places.mend()
    eventually(lambda: is_over((f"{OWNER}ada",), outages.read(), failed_at), "it to work again")
    outages.check("ada")
    outages.failed("ada", error)
    with pytest.raises(StoreUnavailable):
        outages.check("ada")
    monkeypatch.setattr(owner_outages, "KEPT_SECONDS", 0.0)
    eventually(lambda: outages.read() == {}, "the check to end")


def test_requests_of_others_do_not_wait_for_a_caller_with_broken_credentials(
    bench: Bench, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runner, "OWNER_RETRY_SECONDS", (0.05, 0.05))
    unsigned: list[None] = []
    courier = Courier(
        places.stores,
        agent_id="nas-1",
        signed_url_seconds=60,
        short_seconds=30,
        unsigned=lambda: unsigned.append(None),
    )
    runner: JobRunner = replace(bench.runner, courier=courier, outages=places.outages)

    def run(owner: str) -> CompletionMessage:
        message = bench.message().model_copy(update={"owner": owner})
        return runner.run(message, Job(message.request_id, 0.0), attempt=1)

    with pytest.raises(StoreUnavailable, match=r"owners\.ada\.credentials"):
        run("ada")
    monkeypatch.setattr(job_runner, "OWNER_RETRY_SECONDS", (60.0,))
    begun = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"owners\.ada\.credentials"):
        run("ada")
    assert time.monotonic() - begun < 5, "known to fail: it occupies no slot"
    uris = {owner: run(owner).output_uri for owner in ("bob", "eve")}
    places.mend()
    eventually(lambda: places.outages.read()[f"{OWNER}ada"].ok)
    uris["ada"] = run("ada").output_uri
    roots = {"ada": "ada/clips/", "bob": "bob/clips/", "eve": "clips/"}
    for owner, uri in uris.items():
        assert uri is not None
        assert uri.startswith(f"s3://{places.config.storage.bucket}/{roots[owner]}h/")
    assert unsigned == []
