"""An attempt begins with the further of what this agent and what the store has, whatever the store does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.cutting import Keep
from agent.cutting.reading.source import open_path
from agent.resources.checkpoint_uploads import CheckpointUploads
from agent.resources.checkpoints import Checkpoints
from agent.resources.stored_checkpoints import look
from agent.settings import Settings
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.job import Job
from agent.work.progress import ProgressReporter
from agent.work.reporting import AttemptReporter, Identity
from clipping.bus.publisher import Publisher
from clipping.clock import SystemClock
from clipping.config import validate
from clipping.contract.checkpoint import Checkpoint, checkpoint_key
from clipping.contract.messages import RequestMessage, parse_clip_request
from clipping.errors import CutVerificationFailed, GivenBack, StoreUnavailable
from clipping.ids import new_request_id
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo
from health.lease.guard import NoLease
from tests.agent.resources.kept import KeptClip
from tests.support.waiting import eventually


class Store(MemoryStore):
    """Can be away. Counts reads of checkpoints."""

    away = False
    reads = 0

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        self.reads += 1
        if self.away:
            raise StoreUnavailable("the store is away")
        return super().get(key)


class Site:
    """Agents that share a store and a recording, and a request for a clip of it."""

    def __init__(self, folder: Path, mode: str = "encode") -> None:
        self._folder = folder
        self.store = Store()
        self.recording = folder / "night.mp4"
        self.recording.write_bytes(b"video")
        now = datetime.now(UTC)
        body = {"hand_id": "h", "nas_video_path": str(self.recording), "mode": mode}
        request = parse_clip_request({**body, "start_seconds": 0, "end_seconds": 50}, max_clip_seconds=600)
        self.message = RequestMessage.of(request, request_id=new_request_id(now), owner="t", requested_at=now)
        self.job = Job(self.message.request_id, 0.0)
        self.progress = ProgressReporter(Publisher("unused", timeout_seconds=1), "unused", SystemClock())
        self._open: list[CheckpointUploads] = []
        self.attempts = 0

    def kept(self, agent_id: str, count: int, **over: Any) -> KeptClip:
        """What an agent has finished of the clip."""
        status = self.recording.stat()
        fields = {
            "request_id": self.message.request_id,
            "spec_hash": self.message.spec_hash(),
            "source_size": status.st_size,
            "source_mtime_ns": status.st_mtime_ns,
        }
        folder = self._folder / agent_id / "checkpoints" / self.message.request_id
        clip = KeptClip(folder, agent_id=agent_id, **{**fields, **over})
        clip.finish(count)
        return clip

    def agent(self, agent_id: str, **checkpoints: Any) -> EncodeCheckpoints:
        state = self._folder / agent_id
        state.mkdir(exist_ok=True)
        uploads = CheckpointUploads(self.store, state / "uploads")
        uploads.start()
        self._open.append(uploads)
        config = validate(
            {
                "agent": {"id": agent_id, "state_dir": str(state), "min_free_bytes": 0},
                "checkpoints": {"remote": True, **checkpoints},
            }
        )
        local = Checkpoints(state, most_bytes=10**9)
        return EncodeCheckpoints(Settings(config, lambda: config), local, NoLease(), SystemClock(), uploads)

    def attempt(self, agent: EncodeCheckpoints, error: Exception | None = None) -> Keep:
        """An attempt, and how it ends; what the engine got."""
        self.attempts += 1
        agent_id = agent.settings.current.agent.id
        scratch = self._folder / f"scratch-{self.attempts}"
        scratch.mkdir()
        identity = Identity(agent_id, 0)
        report = AttemptReporter(
            self.progress, SystemClock(), lambda: identity, self.message, self.job, self.attempts
        )
        keep: list[Keep] = []
        with (
            suppress(GivenBack, CutVerificationFailed),
            open_path(self.recording) as source,
            agent.of(self.message, self.job, self.attempts, source, scratch, report) as kept,
        ):
            keep.append(kept.keep)
            kept.checkpoint(Checkpoint(frame=1, total=2, segment=1, segments=2))
            if error is not None:
                raise error
        return keep[0]

    def close(self) -> None:
        for uploads in self._open:
            uploads.close(20)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def stored_segments(site: Site) -> int:
    found = look(site.store, site.message.request_id)
    return 0 if found is None or found.checkpoint is None else found.checkpoint.segment


def uploaded(site: Site, count: int, **over: Any) -> KeptClip:
    """What `nas-1` has finished, and stored when it gave the clip back."""
    clip = site.kept("nas-1", count, **over)
    site.attempt(site.agent("nas-1"), GivenBack("stopped"))
    return clip


def test_a_clip_that_is_given_back_is_in_the_store_by_then(site: Site) -> None:
    site.kept("nas-1", 1)
    agent = site.agent("nas-1")
    site.attempt(agent, GivenBack("stopped"))
    assert stored_segments(site) == 1


def test_another_agent_gets_the_segments(site: Site) -> None:
    clip = uploaded(site, 3)
    keep = site.attempt(site.agent("nas-2"), GivenBack("stopped"))
    other = site.kept("nas-2", 3)
    assert keep.folder == other.folder
    assert other.contents() == clip.contents()


@pytest.mark.parametrize(("ours", "theirs"), [(3, 3), (3, 2)])
def test_its_own_segments_are_used_if_they_are_as_far(site: Site, ours: int, theirs: int) -> None:
    uploaded(site, theirs)
    own = site.kept("nas-2", ours)
    before = own.contents()
    site.attempt(site.agent("nas-2"), GivenBack("stopped"))
    assert own.contents() == before
    assert stored_segments(site) == ours


def test_segments_of_another_recording_of_its_own_do_not_count(site: Site) -> None:
    clip = uploaded(site, 2)
    own = site.kept("nas-2", 4, source_size=1)
    site.attempt(site.agent("nas-2"), GivenBack("stopped"))
    assert own.contents() == clip.contents()


@pytest.mark.parametrize(
    ("over", "checkpoints"),
    [({"source_mtime_ns": 1}, {}), ({"source_size": 1}, {}), ({}, {"max_bytes": 1000})],
)
def test_what_can_t_be_used_is_ignored(
    site: Site, over: dict[str, Any], checkpoints: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    uploaded(site, 3, **over)
    keep = site.attempt(site.agent("nas-2", **checkpoints), GivenBack("stopped"))
    assert not keep.folder.exists()
    assert [record.message for record in caplog.records].count("checkpoint.ignored") >= 1


def test_a_torn_checkpoint_is_ignored(site: Site) -> None:
    uploaded(site, 3)
    key = checkpoint_key(site.message.request_id)
    site.store.delete(key)
    site.store.replace(key, b'{"frame": ', expected=None)
    keep = site.attempt(site.agent("nas-2"), GivenBack("stopped"))
    assert not keep.folder.exists()
    site.kept("nas-2", 1)
    site.attempt(site.agent("nas-2"), GivenBack("stopped"))
    assert stored_segments(site) == 1


def test_a_store_that_is_away_fails_no_attempt(site: Site) -> None:
    uploaded(site, 3)
    site.store.away = True
    keep = site.attempt(site.agent("nas-2"))
    assert not keep.folder.exists()


def test_a_first_attempt_at_a_copy_does_not_ask_the_store(tmp_path: Path) -> None:
    site = Site(tmp_path, mode="copy")
    site.attempt(site.agent("nas-1"))
    assert site.store.reads == 0
    site.attempt(site.agent("nas-1"))
    assert site.store.reads == 1
    site.close()


@pytest.mark.parametrize("error", [CutVerificationFailed("no"), None])
def test_a_clip_that_has_ended_leaves_nothing_anywhere(site: Site, error: Exception | None) -> None:
    uploaded(site, 3)
    agent = site.agent("nas-2")
    keep = site.attempt(agent, error)
    agent.drop(site.message)
    eventually(lambda: not site.store.list("checkpoints/").objects, "the deletion")
    assert not keep.folder.exists()
