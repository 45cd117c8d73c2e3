"""An agent's catalogue of real folders, scanned when a test asks for it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.catalog.service import Catalog
from agent.resources.mounts import MountMemory
from agent.settings import Settings
from clipping.clock import SystemClock
from clipping.config import validate
from clipping.contract.catalog import CatalogIndex, CatalogPage, CatalogRoot, index_key, page_key
from clipping.store.memory import MemoryStore
from clipping.store.port import Store

OLD = 1_700_000_000


def write(path: Path, size: int = 3, *, modified: float = OLD) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (modified, modified))
    return path


def read_root(store: Store, path: Path | str, agent_id: str = "nas-1") -> tuple[CatalogRoot, dict[str, Any]]:
    """What a reader finds of a root: its state, and its recordings by their path below it."""
    found = store.get(index_key(agent_id))
    assert found is not None
    root = next(each for each in CatalogIndex.from_json(found[0]).roots if each.path == str(path))
    entries: dict[str, Any] = {}
    for digest in root.pages:
        packed = store.get(page_key(agent_id, digest))
        assert packed is not None
        page = CatalogPage.unpack(digest, packed[0])
        at = 0
        for folder, count in page.folders:
            for name in page.names[at : at + count]:
                known = next((one for one in page.known if one.at == at), None)
                entries[f"{folder}/{name}" if folder else name] = {
                    "size": page.sizes[at],
                    "modified": page.modified[at],
                    "growing": at in page.growing,
                    "known": known,
                }
                at += 1
    return root, entries


class Scanner:
    """The catalogue of some roots, as in a new process: all it knows is in the store."""

    def __init__(
        self, folder: Path, roots: list[Path], store: Store | None = None, *, look_seconds: float = 5.0
    ) -> None:
        self.store = store or MemoryStore()
        self.works = True
        self.tree: dict[str, Any] = {
            "agent": {
                "id": "nas-1",
                "state_dir": str(folder / "state"),
                "nas_roots": [{"path": str(root)} for root in roots],
            },
            "preview": {"key": str(folder / "key")},
            "catalog": {"entries_per_second": 1_000_000, "interval_seconds": 0.1},
            "storage": {"path": str(folder / "store")},
        }
        self.settings = Settings(validate(self.tree), lambda: validate(self.tree))
        self.mounts = MountMemory()
        self.catalog = Catalog(
            self.settings,
            self.store,
            self.mounts,
            SystemClock(),
            lambda: self.works,
            look_seconds=look_seconds,
        )

    def scan(self, root: Path | None = None) -> dict[str, Any]:
        """Scan all roots once; the recordings of one."""
        assert self.catalog.round()
        return self.entries(root)

    def entries(self, root: Path | None = None) -> dict[str, Any]:
        return read_root(self.store, root or self.tree["agent"]["nas_roots"][0]["path"])[1]

    def state(self, root: Path | None = None) -> CatalogRoot:
        return read_root(self.store, root or self.tree["agent"]["nas_roots"][0]["path"])[0]

    def keys(self) -> dict[str, str]:
        """The versions of all objects, by their keys."""
        return {each.key: each.version for each in self.store.list("").objects}


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    """A root with three recordings, and what is none."""
    root = tmp_path / "nas"
    write(root / "night.mp4")
    write(root / "2026" / "november" / "table 7.MKV", 5)
    write(root / "2026" / "match.ts", 7)
    for hidden in ("notes.txt", ".hidden.mp4", "night.proxy.mp4", ".trash/old.mp4", "2026/.a/b.mp4"):
        write(root / hidden)
    return root


@pytest.fixture
def scanner(tmp_path: Path) -> Iterator[Callable[..., Scanner]]:
    made: list[Scanner] = []

    def make(*roots: Path, **named: Any) -> Scanner:
        made.append(Scanner(tmp_path, list(roots), **named))
        return made[-1]

    yield make
    for one in made:
        one.catalog.close()
