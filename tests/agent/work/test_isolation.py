"""What an agent reads for a caller: whatever a message says, nothing of another's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.settings import Settings
from agent.work.job import Job
from agent.work.job_runner import JobRunner
from clipping.config import overlay, validate
from clipping.contract.messages import CompletionMessage
from clipping.store.layout import upload_folder
from clipping.store.open import open_store
from clipping.store.owners import OwnerStores
from clipping.store.readers import SourceReaders
from tests.agent.bench import Bench
from tests.support.media import Recording, make
from tests.support.seaweed import Seaweed

OWNERS: dict[str, dict[str, Any]] = {"ada": {"prefix": "ada/"}, "bob": {"prefix": "bob/"}}
PLACES = {"ada": "ada/", "bob": "bob/", "eve": upload_folder("eve")}


@pytest.fixture(params=["local", "s3"])
def runner(request: pytest.FixtureRequest, bench: Bench, tmp_path: Path) -> JobRunner:
    """Of an agent with a recording in each caller's place, called `night.mp4`."""
    recording = make(Recording(seconds=60))
    owners: dict[str, dict[str, Any]] = {name: dict(owner) for name, owner in OWNERS.items()}
    storage: dict[str, Any] = {"path": str(tmp_path / "places")}
    if request.param == "s3":
        seaweed: Seaweed = request.getfixturevalue("seaweed")
        seaweed.empty(seaweed.customers())
        for name, owner in owners.items():
            owner["credentials"] = f"{tmp_path}/{name}.key"
            Path(owner["credentials"]).write_text(seaweed.key_of(name))
        storage = {"backend": "s3", "bucket": seaweed.customers(), "endpoint": seaweed.url, "path": None}
        storage |= {"credentials": str(seaweed.credentials)}
    before = bench.runner.settings.current.model_dump()
    config = validate(overlay(before, {"storage": storage, "owners": owners}))
    stores = OwnerStores(config, open_store(config))
    for place in PLACES.values():
        source = tmp_path / "recording"
        source.write_bytes(recording.read_bytes())
        stores.shared.create(f"{place}night.mp4", source, content_type="video/mp4", metadata={})
    settings = Settings(config, lambda: config)
    maker = bench.runner.maker
    recordings = replace(maker.recordings, settings=settings, stores=stores, readers=SourceReaders(config))
    return replace(bench.runner, settings=settings, maker=replace(maker, recordings=recordings))


def run(runner: JobRunner, bench: Bench, owner: str, uri: str) -> CompletionMessage:
    message = bench.message(nas_video_path=None, source_uri=uri).model_copy(update={"owner": owner})
    return runner.run(message, Job(message.request_id, 0.0), attempt=1)


def test_a_message_that_names_anothers_object_is_refused(runner: JobRunner, bench: Bench) -> None:
    root = runner.maker.recordings.stores.root("eve")
    texts = set()
    for caller, place in PLACES.items():
        done = run(runner, bench, caller, f"{root}{place}night.mp4")
        assert done.status == "completed", done.error_message
        others = [other for other in PLACES if other != caller]
        names = [f"{PLACES[other]}{name}" for other in others for name in ("night.mp4", "none.mp4")]
        for name in (*names, "ha/main/lease.json", "clips/h/none.mp4", f"{place[:-1]}x/night.mp4"):
            refused = run(runner, bench, caller, root + name)
            assert refused.error is not None
            assert refused.error.code == "SOURCE_NOT_ALLOWED"
            texts.add(refused.error.message.replace(root + name, "URI"))
        # Names are literal: this one is below the caller's own place, and there is no such object.
        literal = f"{root}{place}%2e%2e/{PLACES[others[0]]}night.mp4"
        missing = run(runner, bench, caller, literal)
        assert missing.error is not None
        assert missing.error.code == "SOURCE_NOT_FOUND"
    assert len(texts) == 1


def test_a_message_without_a_known_owner_reads_no_callers_place(runner: JobRunner, bench: Bench) -> None:
    root = runner.maker.recordings.stores.root("eve")
    for owner in ("", "ADA", "ada/", "*", "ops"):
        for place in PLACES.values():
            refused = run(runner, bench, owner, f"{root}{place}night.mp4")
            assert refused.error is not None
            assert refused.error.code == "SOURCE_NOT_ALLOWED"


def test_a_message_that_is_limited_to_some_roots_reads_no_others(bench: Bench, tmp_path: Path) -> None:
    """Whatever its path says, and wherever links lead."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(bench.recording, other / "day.mp4")
    nas = bench.recording.parent
    (nas / "link.mp4").symlink_to(other / "day.mp4")
    (nas / "folder").symlink_to(other)
    (nas / "own.mp4").symlink_to(bench.recording)
    roots = [{"path": str(nas)}, {"path": str(other)}]
    before = bench.runner.settings.current.model_dump()
    config = validate(overlay(before, {"agent": {"nas_roots": roots}}))
    maker = bench.runner.maker
    recordings = replace(maker.recordings, settings=Settings(config, lambda: config))
    runner = replace(bench.runner, maker=replace(maker, recordings=recordings))

    def code(path: str, allowed: list[str] | None) -> str | None:
        message = bench.message(nas_video_path=path).model_copy(update={"roots": allowed})
        done = runner.run(message, Job(message.request_id, 0.0), attempt=1)
        return done.error.code if done.error is not None else None

    links = [f"{nas}/link.mp4", f"{nas}/folder/day.mp4"]
    for path in (*links, f"{other}/day.mp4"):
        assert code(path, [str(nas)]) == "SOURCE_NOT_ALLOWED", path
        assert code(path, []) == "SOURCE_NOT_ALLOWED"
        assert code(path, None) is None
    assert code(f"{nas}/own.mp4", [str(nas)]) is None
    assert code(links[0], [str(nas), str(other)]) is None
