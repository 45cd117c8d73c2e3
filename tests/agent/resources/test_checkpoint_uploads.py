"""Finished segments reach the store in the background, and only from the attempt that has the clip."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.resources import checkpoint_uploads
from agent.resources.checkpoint_uploads import CheckpointUploads, Mirror
from agent.resources.stored_checkpoints import LONGEST, delete_old, look
from clipping.clock import ManualClock
from clipping.contract.checkpoint import StoredCheckpoint, segment_key
from clipping.errors import StoreUnavailable
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo
from tests.agent.resources.kept import KeptClip
from tests.support.waiting import eventually

FOLDER = "checkpoints/clip-1/"


class SlowStore(MemoryStore):
    """Uploads wait at `gate`, and fail while it is `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False
        self.uploading = threading.Event()
        self.creates = self.lists = 0

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        self.uploading.set()
        assert self.gate.wait(30)
        if self.broken:
            raise StoreUnavailable("the store is away")
        self.creates += 1
        made = super().create(key, source, content_type=content_type, metadata=metadata)
        source.unlink()  # as the local store does
        return made

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        self.lists += 1
        return super().replace(key, data, expected=expected)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore()


class Agent:
    """One agent's uploads, and what it keeps of the clip."""

    def __init__(self, store: MemoryStore, folder: Path, agent_id: str) -> None:
        self.store, self.id = store, agent_id
        self.clip = KeptClip(folder / agent_id / "checkpoints" / "clip-1", agent_id=agent_id)
        self.uploads = CheckpointUploads(store, folder / agent_id / "scratch")
        self.uploads.start()
        self.leads = True

    def begin(self, *, epoch: int = 0, attempt: int = 1, unread: bool = False) -> Mirror:
        """`unread`: the store could not be read at the attempt's begin."""
        return self.uploads.begin(
            "clip-1",
            "spec",
            self.clip.folder,
            agent_id=self.id,
            epoch=epoch,
            attempt=attempt,
            allowed=lambda: self.leads,
            found=None if unread else look(self.store, "clip-1"),
        )

    def finish(self, mirror: Mirror, count: int) -> None:
        self.clip.finish(count)
        self.uploads.changed(mirror)

    def settle(self, mirror: Mirror) -> None:
        assert self.uploads.wait(mirror, 20)


@pytest.fixture
def agent(store: SlowStore, tmp_path: Path) -> Iterator[Callable[[str], Agent]]:
    agents: list[Agent] = []

    def make(agent_id: str = "nas-1") -> Agent:
        agents.append(Agent(store, tmp_path, agent_id))
        return agents[-1]

    yield make
    store.gate.set()
    for each in agents:
        each.uploads.close(20)


def stored(store: MemoryStore) -> StoredCheckpoint:
    found = look(store, "clip-1")
    assert found is not None
    assert found.checkpoint is not None
    return found.checkpoint


def check_whole(store: MemoryStore, clip: KeptClip) -> None:
    """The checkpoint in the store lists exactly the segments of this agent, which are there."""
    checkpoint = stored(store)
    contents = list(clip.contents().values())
    assert checkpoint.segment == len(contents)
    for number, content in enumerate(contents):
        assert checkpoint.sha256[number] == hashlib.sha256(content).hexdigest()
        found = store.get(checkpoint.segment_key(number))
        assert found is not None
        assert found[0] == content


def test_each_finished_segment_is_in_the_store_with_a_checkpoint_that_lists_it(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    mirror = nas.begin(epoch=7, attempt=3)
    for count in (1, 2, 3):
        nas.finish(mirror, count)
        nas.settle(mirror)
        check_whole(store, nas.clip)
    checkpoint = stored(store)
    assert (checkpoint.writer, checkpoint.rank) == ("nas-1", (7, 3))
    assert checkpoint.local() == nas.clip.finish(3).model_copy(update={"created_at": checkpoint.created_at})
    assert store.creates == 3
    assert not list((nas.clip.folder.parent.parent / "scratch").iterdir())


def test_what_an_earlier_attempt_finished_is_uploaded_at_once(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    nas.clip.finish(2)
    nas.settle(nas.begin())
    check_whole(store, nas.clip)


def test_a_slow_store_holds_nothing_up_and_gets_the_latest(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    store.gate.clear()
    mirror = nas.begin()
    for count in range(1, 6):
        nas.finish(mirror, count)  # returns at once
    assert store.uploading.wait(20)
    assert not nas.uploads.wait(mirror, 0.1)
    assert look(store, "clip-1") is None
    store.gate.set()
    nas.settle(mirror)
    check_whole(store, nas.clip)


def test_an_upload_in_progress_is_not_in_the_store_yet(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    nas.clip.finish(1)
    store.gate.clear()
    mirror = nas.begin()
    assert store.uploading.wait(20)
    assert not nas.uploads.wait(mirror, 0.1)
    store.gate.set()
    nas.settle(mirror)


def test_a_failed_upload_is_tried_again(
    agent: Callable[[str], Agent], store: SlowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_uploads, "RETRY_SECONDS", 0.01)
    nas = agent("nas-1")
    store.broken = True
    mirror = nas.begin()
    nas.finish(mirror, 2)
    assert not nas.uploads.wait(mirror, 0.1)
    assert look(store, "clip-1") is None
    store.broken = False
    nas.settle(mirror)
    check_whole(store, nas.clip)


def test_an_encode_that_begins_again_replaces_the_checkpoint(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    mirror = nas.begin()
    nas.finish(mirror, 3)
    nas.settle(mirror)
    for segment in nas.clip.folder.iterdir():
        segment.unlink()
    nas.clip.over = {"recipe": "another", "outgrown": 10_000}
    nas.finish(mirror, 1)
    nas.settle(mirror)
    check_whole(store, nas.clip)
    assert stored(store).outgrown == 10_000


@pytest.mark.parametrize("change", [{"spec_hash": "another"}, {"frame": 1}])
def test_what_is_not_of_this_clip_is_not_uploaded(
    agent: Callable[[str], Agent], store: SlowStore, change: dict[str, Any]
) -> None:
    nas = agent("nas-1")
    nas.clip.over = change
    nas.clip.finish(2)
    nas.settle(nas.begin())
    assert store.list(FOLDER).objects == ()


def test_an_agent_without_a_lease_writes_nothing(agent: Callable[[str], Agent], store: SlowStore) -> None:
    nas = agent("nas-1")
    nas.leads = False
    mirror = nas.begin()
    nas.finish(mirror, 2)
    nas.settle(mirror)
    assert store.list(FOLDER).objects == ()


@pytest.mark.parametrize(("first", "second"), [((1, 1), (2, 1)), ((0, 1), (0, 2)), ((1, 9), (2, 1))])
def test_an_agent_that_does_not_know_that_it_was_replaced_changes_nothing(
    agent: Callable[[str], Agent], store: SlowStore, first: tuple[int, int], second: tuple[int, int]
) -> None:
    old, new = agent("nas-1"), agent("nas-2")
    late = old.begin(epoch=first[0], attempt=first[1])
    old.finish(late, 2)
    old.settle(late)
    mirror = new.begin(epoch=second[0], attempt=second[1])
    new.finish(mirror, 1)
    new.settle(mirror)
    check_whole(store, new.clip)
    old.finish(late, 4)
    old.settle(late)
    check_whole(store, new.clip)
    assert late.ended
    new.finish(mirror, 5)
    new.settle(mirror)
    check_whole(store, new.clip)


@pytest.mark.parametrize("unread", [False, True])
def test_a_late_write_does_not_keep_the_new_agent_out(
    agent: Callable[[str], Agent], store: SlowStore, unread: bool
) -> None:
    old, new = agent("nas-1"), agent("nas-2")
    late = old.begin(epoch=1)
    mirror = new.begin(epoch=2, unread=unread)
    old.finish(late, 3)  # it was stopped between the check of its lease and this
    old.settle(late)
    new.finish(mirror, 1)
    new.settle(mirror)
    check_whole(store, new.clip)
    assert not mirror.ended


def test_two_agents_at_once_leave_a_checkpoint_that_is_whole(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    agents = [agent(f"nas-{n}") for n in range(3)]
    mirrors = [each.begin(epoch=5, attempt=n) for n, each in enumerate(agents)]
    for count in range(1, 6):
        for each, mirror in zip(agents, mirrors, strict=True):
            each.finish(mirror, count)
    for each, mirror in zip(agents, mirrors, strict=True):
        each.settle(mirror)
    check_whole(store, agents[2].clip)  # the last attempt


def test_a_clip_that_has_ended_leaves_nothing(agent: Callable[[str], Agent], store: SlowStore) -> None:
    nas = agent("nas-1")
    mirror = nas.begin()
    nas.finish(mirror, 3)
    nas.settle(mirror)
    store.replace("checkpoints/clip-10/checkpoint.json", b"{}", expected=None)
    nas.uploads.end(mirror)
    nas.uploads.delete("clip-1")
    eventually(lambda: not store.list(FOLDER).objects, "the deletion")
    assert store.stat("checkpoints/clip-10/checkpoint.json")


def test_an_agent_does_not_write_the_checkpoint_of_an_ended_clip_again(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    late, winner = agent("nas-1"), agent("nas-2")
    mirror = late.begin()
    late.finish(mirror, 1)
    late.settle(mirror)
    winner.uploads.delete("clip-1")
    eventually(lambda: not store.list(FOLDER).objects, "the deletion")
    late.finish(mirror, 2)
    late.settle(mirror)
    assert mirror.ended
    assert look(store, "clip-1") is None


def test_closing_does_not_wait_for_a_store_that_hangs(
    agent: Callable[[str], Agent], store: SlowStore
) -> None:
    nas = agent("nas-1")
    store.gate.clear()
    mirror = nas.begin()
    nas.finish(mirror, 1)
    assert store.uploading.wait(20)
    nas.uploads.end(mirror)
    nas.uploads.close(0.1)
    assert not store.gate.is_set()


def test_what_is_older_than_a_week_is_swept(tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    store.replace("checkpoints/old/checkpoint.json", b"{}", expected=None)
    segment = tmp_path / "segment"
    segment.write_bytes(b"old")
    key = segment_key("old", 0, "0" * 64)
    store.create(key, segment, content_type="video/mp4", metadata={})
    store.replace("clips/old.json", b"{}", expected=None)
    clock.advance(LONGEST.total_seconds() + 1)
    store.replace("checkpoints/young/checkpoint.json", b"{}", expected=None)
    assert delete_old(store, None) == (2, None)
    assert [info.key for info in store.list("").objects] == [
        "checkpoints/young/checkpoint.json",
        "clips/old.json",
    ]


def test_the_sweep_runs_by_itself(store: SlowStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_uploads, "FIRST_SWEEP_SECONDS", 0.01)
    seen: list[str] = []
    monkeypatch.setattr(store, "list", lambda prefix, **_: seen.append(prefix) or MemoryStore().list(prefix))
    uploads = CheckpointUploads(store, tmp_path / "scratch")
    uploads.start()
    eventually(lambda: seen == ["checkpoints/"], "a sweep")
    uploads.close(20)
