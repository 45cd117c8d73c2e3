"""`python -m bench.catalog`: what the catalogue of many recordings costs the agent and the API.

Makes empty files, scans them as an agent does (as fast as it can, unless --rate says otherwise), and reads
and searches the result as the API does, each in a process of its own. The store is a local folder."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client import REGISTRY

from agent.catalog.service import Catalog
from agent.resources.mounts import MountMemory
from agent.settings import Settings
from api.catalog.answers import answer
from api.catalog.query import parse_catalog
from api.catalog.reader import Reader
from api.catalog.view import View
from clipping.clock import SystemClock
from clipping.config import Config, validate
from clipping.contract.catalog import CatalogIndex, index_key
from clipping.contract.preview_keys import PreviewKeys
from clipping.store.open import open_store

AGENT, CLUSTER, SECRET = "nas-1", "default", "a-secret-of-the-benchmark"
IN_FOLDER = 100
"""Recordings."""
QUERIES = 200
Result = TypeVar("Result")


def main() -> int:
    """Prints what was measured as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalog", description=__doc__)
    parser.add_argument("--files", type=int, default=100_000, help="default: 100000")
    parser.add_argument("--rate", type=int, default=1_000_000, help="catalog.entries_per_second")
    parser.add_argument("--folder", type=Path, help="where the files are made; default: a temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        print(json.dumps(measure(Path(folder), arguments.files, arguments.rate), indent=2))
    return 0


def measure(folder: Path, files: int, rate: int) -> dict[str, Any]:
    """All figures, by name."""
    make(folder / "nas", files)
    scans = _apart(_scan, folder, rate)
    return {"files": files, "rate": rate, "agent": scans, "api": _apart(_search, folder, files)}


def make(root: Path, files: int) -> None:
    """Files whose names are numbered, in folders of two levels."""
    for number in range(files):
        path = root / _folder(number) / _name(number)
        if number % IN_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))


def _folder(number: int) -> str:
    group = number // IN_FOLDER
    return f"season-{group // 50:02}/event-{group:04}"


def _name(number: int) -> str:
    return f"{'final' if number % 1000 == 0 else 'table'} {number % 9 + 1} camera {number:06}.mp4"


def _config(folder: Path, rate: int = 1_000_000) -> Config:
    return validate(
        {
            "agent": {"id": AGENT, "state_dir": str(folder), "nas_roots": [{"path": f"{folder}/nas"}]},
            "preview": {"key": f"{folder}/key"},
            "catalog": {"entries_per_second": rate},
            "storage": {"path": f"{folder}/store"},
        }
    )


def _scan(folder: Path, rate: int) -> dict[str, Any]:
    """What the agent does."""
    config = _config(folder, rate)
    settings = Settings(config, lambda: config)
    store = open_store(config)
    catalog = Catalog(settings, store, MountMemory(), SystemClock(), lambda: True)
    before = _peak_mb()
    found = {"first scan": _one_scan(catalog), "unchanged": _one_scan(catalog)}
    changed = folder / "nas" / _folder(0) / _name(7)
    changed.write_bytes(b"grown")
    found["one file has grown"] = _one_scan(catalog)
    (folder / "nas" / _folder(0) / "new.mp4").touch()
    found["one file is new"] = _one_scan(catalog)
    index = store.get(index_key(AGENT))
    assert index is not None
    root = CatalogIndex.from_json(index[0]).roots[0]
    found |= {"recordings": root.recordings, "pages": len(root.pages), "peak memory before MB": before}
    return found | {"peak memory MB": _peak_mb()}


def _one_scan(catalog: Catalog) -> dict[str, float]:
    written, cpu, begun = _written(), time.process_time(), time.monotonic()
    catalog.round()
    return {
        "seconds": round(time.monotonic() - begun, 2),
        "CPU seconds": round(time.process_time() - cpu, 2),
        "bytes written": _written() - written,
    }


def _search(folder: Path, files: int) -> dict[str, Any]:
    """What the API does, HTTP aside: from the parameters to the JSON."""
    store, keys, dice = open_store(_config(folder)), PreviewKeys(SECRET), random.Random(1)
    reader = Reader(store, CLUSTER)
    before, begun = _resident_mb(), time.monotonic()
    view = reader.read([AGENT])
    first, after = time.monotonic() - begun, _resident_mb()
    begun = time.monotonic()
    reader.read([AGENT])
    again = time.monotonic() - begun

    def times(query: Callable[[], dict[str, str]]) -> dict[str, float]:
        return _times(view, keys, query)

    return {
        "first read seconds": round(first, 2),
        "unchanged read seconds": round(again, 4),
        "memory of the catalogue MB": round(after - before, 1),
        "a folder": times(lambda: {"prefix": _folder(dice.randrange(files))}),
        "q, one hit": times(lambda: {"q": f"{dice.randrange(files):06}"}),
        "q, many hits": times(lambda: {"q": f"table camera {dice.randrange(10)}"}),
        "q, no hit": times(lambda: {"q": f"nothing {dice.randrange(files)}"}),
        "q below a folder": times(lambda: {"q": "table", "prefix": _folder(dice.randrange(files))}),
    }


def _times(view: View, keys: PreviewKeys, query: Callable[[], dict[str, str]]) -> dict[str, float]:
    taken, found, cpu = [], 0, time.process_time()
    for _ in range(QUERIES):
        given = {name: [value] for name, value in query().items()}
        begun = time.perf_counter()
        result = answer(parse_catalog(given), view.allowed(None), keys)
        result.to_json()
        taken.append((time.perf_counter() - begun) * 1000)
        found += len(result.recordings)
    p95 = statistics.quantiles(taken, n=20)[-1]
    return {
        "p50 ms": round(statistics.median(taken), 2),
        "p95 ms": round(p95, 2),
        "CPU ms": round((time.process_time() - cpu) / QUERIES * 1000, 2),
        "found": round(found / QUERIES, 1),
    }


def _written() -> int:
    return int(REGISTRY.get_sample_value("clipping_catalog_written_bytes_total") or 0)


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _apart(call: Callable[..., Result], *arguments: Any) -> Result:
    """In a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(call, *arguments).result()


if __name__ == "__main__":
    sys.exit(main())
