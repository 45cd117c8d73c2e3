"""The catalogue in the API: what an agent has scanned, read from the store again when it has changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.catalog.catalogue import FRESH_SECONDS, STALE_SECONDS, WAIT_SECONDS, Catalogue
from api.catalog.reader import Reader
from api.cluster.coordination import Coordination
from clipping.clock import ManualClock
from clipping.contract.catalog import CatalogIndex, index_key, page_key
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import CatalogUnavailable, StoreUnavailable
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo
from tests.agent.catalog.conftest import Scanner, write
from tests.api.api_process import key
from tests.api.cluster.documents import Agents
from tests.api.owned import KEYS, Service, service
from tests.support.waiting import eventually

SECRET = "a-secret-of-the-API-and-the-agents"
URL = "/v1/recordings"


class Counting(MemoryStore):
    """Which objects are read, and a store that does not answer on request."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.away = False
        self.answers = threading.Event()
        self.answers.set()

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        self.answers.wait(60)
        if self.away:
            raise StoreUnavailable("the store is away")
        self.read.append(key)
        return super().get(key)


class Reading:
    """A catalogue of a store that an agent writes."""

    def __init__(self, folder: Path) -> None:
        self.nas = folder / "nas"
        for n in range(1500):
            write(self.nas / f"{n % 10}" / f"{n}.mp4")
        self.store, self.clock = Counting(), ManualClock()
        Agents(self.store, "default").report("nas-1", state="active")
        self.agent = Scanner(folder, [self.nas], self.store)
        coordination = Coordination(self.store, "default", has_leader=False)
        self.catalogue = Catalogue(coordination, Reader(self.store, "default"), self.clock)

    def count(self) -> int:
        return sum(root.source.entries.recordings for root in self.catalogue.now().roots)

    def pages_read(self) -> int:
        count = sum("/pages/" in each for each in self.store.read)
        self.store.read.clear()
        return count

    def later(self) -> None:
        self.clock.advance(FRESH_SECONDS)


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    made = Reading(tmp_path)
    yield made
    made.catalogue.close()
    made.agent.catalog.close()


def test_only_what_has_changed_is_read_again(reading: Reading) -> None:
    reading.agent.scan()
    reading.store.read.clear()
    assert reading.count() == 1500
    assert reading.pages_read() == len(reading.agent.state().pages) > 1
    reading.agent.scan()
    reading.later()
    reading.store.read.clear()
    reading.count()
    assert reading.pages_read() == 0
    write(reading.nas / "3" / "new.mp4")
    reading.agent.scan()
    reading.store.read.clear()
    assert reading.count() == 1500, "it is fresh"
    reading.later()
    assert reading.count() == 1501
    assert reading.pages_read() == 1


def test_while_the_store_is_away_the_last_one_is_used_for_a_minute(reading: Reading) -> None:
    reading.agent.scan()
    reading.count()
    reading.store.away = True
    reading.later()
    assert reading.count() == 1500
    reading.clock.advance(STALE_SECONDS)
    with pytest.raises(CatalogUnavailable, match="away"):
        reading.count()
    reading.store.away = False
    assert reading.count() == 1500


def test_while_the_store_hangs_callers_do_not_wait_for_it(reading: Reading) -> None:
    reading.agent.scan()
    reading.count()
    reading.store.answers.clear()
    begun = time.monotonic()
    for _ in range(2):
        reading.later()
        assert reading.count() == 1500
    assert time.monotonic() - begun < WAIT_SECONDS
    write(reading.nas / "3" / "new.mp4")
    reading.store.answers.set()
    reading.agent.scan()
    reading.later()
    eventually(lambda: reading.count() == 1501, "the newest catalogue")


def test_an_index_without_its_pages_is_not_half_a_catalogue(reading: Reading) -> None:
    reading.agent.scan()
    first = reading.agent.state().pages[0]
    there = reading.store.get(page_key("nas-1", first))
    assert there is not None
    for broken in (None, there[0][:-5]):
        reading.store.delete(page_key("nas-1", first))
        if broken is not None:
            reading.store.replace(page_key("nas-1", first), broken, expected=None)
        with pytest.raises(CatalogUnavailable, match="missing in the store, or damaged"):
            reading.count()


def test_a_reader_that_is_overtaken_by_a_scan_reads_the_new_one(reading: Reading) -> None:
    """The page that the old index names is deleted after the index was read."""
    reading.agent.scan()
    plain = reading.store.get

    def get(key: str) -> tuple[bytes, ObjectInfo] | None:
        found = plain(key)
        if key == index_key("nas-1"):
            reading.store.get = plain  # type: ignore[method-assign]
            old = reading.agent.state().pages
            for n in range(10):
                write(reading.nas / f"{n}" / "new.mp4")
            reading.agent.scan()
            for digest in set(old) - set(reading.agent.state().pages):
                reading.store.delete(page_key("nas-1", digest))
        return found

    reading.store.get = get  # type: ignore[method-assign]
    assert reading.count() == 1510
    assert reading.store.get is plain


def test_documents_that_are_no_catalogue_of_this_cluster(reading: Reading) -> None:
    reading.agent.scan()
    found = reading.store.get(index_key("nas-1"))
    assert found is not None
    other = CatalogIndex.from_json(found[0]).model_copy(update={"cluster": "other"})
    for data in (other.to_json(), b"{}", b"no JSON"):
        version = reading.store.stat(index_key("nas-1"))
        assert version is not None
        reading.store.replace(index_key("nas-1"), data, expected=version.version)
        reading.later()
        assert reading.catalogue.now().roots == ()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "key").write_text(SECRET)
    roots = [folder / "nas", folder / "tv"]
    write(roots[0] / "2026" / "Table 7.mp4")
    write(roots[0] / "a.mp4")
    write(roots[1] / "table 1.ts")
    keys = [key(name, role, f"key-{name}") for name, role in KEYS]
    limited = {**key("tv", "client", "key-tv"), "roots": [str(roots[1])]}
    over = {
        "preview": {"key": str(folder / "key")},
        "agent": {"nas_roots": [{"path": str(root)} for root in roots]},
        "api": {"keys": [*keys, limited]},
    }
    with service(folder, {}, over=over) as made:
        Agents(made.parts.store, "default").report("nas-1", state="active")
        scanner = Scanner(folder, roots, made.parts.store)
        scanner.scan()
        made.parts.committer.start()
        yield made
        made.parts.committer.stop(5)
        made.parts.catalogue.close()
        scanner.catalog.close()


def listed(at: Service, query: str = "", owner: str = "ada") -> dict[str, Any]:
    answer = at.call(owner, "GET", f"{URL}?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.get_json()
    return found


def test_recordings_are_found_and_requested_by_their_ids(at: Service) -> None:
    nas = at.config.agent.nas_roots[0].path
    found = listed(at, f"root={nas}")
    assert found["folders"] == [{"name": "2026", "prefix": "2026"}]
    assert [each["name"] for each in found["recordings"]] == ["a.mp4"]
    found = listed(at, "q=table")
    assert [each["name"] for each in found["recordings"]] == ["Table 7.mp4", "table 1.ts"]
    first = found["recordings"][0]
    assert first["id"] == PreviewKeys(SECRET).recording_id(f"{nas}/2026/Table 7.mp4")
    assert (first["size"], first["growing"], first["modified"]) == (3, False, "2023-11-14T22:13:20.000Z")
    state = found["roots"][0]
    assert (state["path"], state["agent"], state["available"], state["recordings"]) == (nas, "nas-1", True, 2)
    clip = {"hand_id": "h", "recording_id": first["id"], "start_seconds": 1, "end_seconds": 2}
    assert at.call("ada", "POST", "/v1/clip/request", json=clip).status_code == 202


def test_a_key_that_is_limited_to_a_root_sees_no_other(at: Service) -> None:
    nas, tv = (root.path for root in at.config.agent.nas_roots)
    found = listed(at, owner="tv")
    assert (found["root"], [root["path"] for root in found["roots"]]) == (tv, [tv])
    assert [each["name"] for each in listed(at, "q=table", owner="tv")["recordings"]] == ["table 1.ts"]
    assert at.call("tv", "GET", f"{URL}?root={nas}").status_code == 404
    foreign = PreviewKeys(SECRET).recording_id(f"{nas}/a.mp4")
    clip = {"hand_id": "h", "recording_id": foreign, "start_seconds": 1, "end_seconds": 2}
    answer = at.call("tv", "POST", "/v1/clip/request", json=clip)
    assert (answer.status_code, answer.get_json()["error"]["field"]) == (400, "recording_id")


def test_without_previews_there_is_no_catalogue(tmp_path: Path) -> None:
    with service(tmp_path, {}) as off:
        answer = off.call("ada", "GET", URL)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "NOT_FOUND")
        assert "preview.key" in answer.get_json()["error"]["message"]


def test_before_the_first_scan_there_are_no_roots(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET)
    with service(tmp_path, {}, over={"preview": {"key": str(tmp_path / "key")}}) as new:
        assert listed(new) == {"prefix": "", "folders": [], "recordings": [], "roots": []}
        assert new.call("ada", "GET", f"{URL}?root=/nas").status_code == 404
        new.parts.catalogue.close()
