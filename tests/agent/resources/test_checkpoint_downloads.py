"""Another agent's segments are used as far as they are intact, and never keep an attempt waiting for long."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from agent.cutting import Keep
from agent.cutting.formats.media import Identity
from agent.resources.checkpoint_downloads import Download, install, is_further, kept_in, misfit
from agent.resources.checkpoint_uploads import CheckpointUploads
from agent.resources.stored_checkpoints import look
from clipping.contract.checkpoint import FILE, StoredCheckpoint, checkpoint_key
from clipping.errors import StoreUnavailable
from clipping.store.memory import MemoryStore
from clipping.store.port import ObjectInfo
from tests.agent.resources.kept import KeptClip

RECORDING = Identity(device=1, inode=2, size=5, mtime_ns=6)
KEEP = Keep(Path("kept"), "clip-1", "spec", "nas-2", min_seconds=20, segment_seconds=10)


class HangingStore(MemoryStore):
    """Downloads wait from the segment `hangs` on until `gate` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs = 1000
        self.downloads = 0
        self.gate = threading.Event()

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        if self.downloads >= self.hangs:
            assert self.gate.wait(30)
            raise StoreUnavailable("the store is away")
        self.downloads += 1
        return super().download(key, target)


@pytest.fixture
def store() -> HangingStore:
    return HangingStore()


@pytest.fixture
def clip(tmp_path: Path) -> KeptClip:
    return KeptClip(tmp_path / "nas-1")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def upload(store: MemoryStore, clip: KeptClip, count: int, scratch: Path) -> StoredCheckpoint:
    clip.finish(count)
    uploads = CheckpointUploads(store, scratch.with_name("uploads"))
    uploads.start()
    mirror = uploads.begin(
        "clip-1", "spec", clip.folder, agent_id="nas-1", epoch=1, attempt=1, allowed=lambda: True, found=None
    )
    assert uploads.wait(mirror, 20)
    uploads.close(20)
    found = look(store, "clip-1")
    assert found is not None
    assert found.checkpoint is not None
    return found.checkpoint


def never() -> bool:
    return False


def test_what_was_uploaded_is_there_again(store: HangingStore, clip: KeptClip, scratch: Path) -> None:
    stored = upload(store, clip, 3, scratch)
    download = Download(store, stored, scratch)
    assert download.run(never, seconds=20) == 3
    assert download.trouble is None
    other = KeptClip(scratch.with_name("nas-2"))
    other.finish(1)  # makes room for it
    install(stored.local(), scratch, other.folder)
    assert other.contents() == clip.contents()
    assert kept_in(other.folder) == kept_in(clip.folder)
    assert sorted(path.name for path in other.folder.iterdir()) == [FILE, *clip.contents()]


def damage(store: MemoryStore, stored: StoredCheckpoint, number: int, how: str) -> None:
    key = stored.segment_key(number)
    found = store.get(key)
    assert found is not None
    store.delete(key)
    match how:
        case "shorter":
            store.replace(key, found[0][:-1], expected=None)
        case "empty":
            store.replace(key, b"", expected=None)
        case "another":
            store.replace(key, bytes(len(found[0])), expected=None)


@pytest.mark.parametrize("how", ["missing", "shorter", "empty", "another"])
@pytest.mark.parametrize("number", [0, 2])
def test_what_comes_before_a_damaged_segment_is_used(
    store: HangingStore, clip: KeptClip, scratch: Path, how: str, number: int
) -> None:
    stored = upload(store, clip, 4, scratch)
    damage(store, stored, number, how)
    download = Download(store, stored, scratch)
    assert download.run(never, seconds=20) == number
    assert download.trouble is not None
    assert f"segment {number}" in download.trouble
    part = stored.first(number)
    assert part.is_consistent
    assert (part.frame, part.segment, part.segments) == (250 * number, number, 5)


def test_a_store_that_hangs_is_given_up(store: HangingStore, clip: KeptClip, scratch: Path) -> None:
    stored = upload(store, clip, 3, scratch)
    store.hangs = 1
    download = Download(store, stored, scratch)
    assert download.run(never, seconds=0.3) == 1
    assert download.trouble == "not finished within 0.3 s"
    store.gate.set()


def test_an_interruption_ends_a_download(store: HangingStore, clip: KeptClip, scratch: Path) -> None:
    stored = upload(store, clip, 3, scratch)
    store.hangs = 0
    assert Download(store, stored, scratch).run(lambda: True, seconds=20) == 0
    store.gate.set()


def test_the_further_one_is_used(clip: KeptClip) -> None:
    two, three = clip.finish(2), clip.finish(3)
    none, second = two.model_copy(update={"frame": 0}), two.model_copy(update={"outgrown": 1000})
    assert [is_further(three, two), is_further(two, three), is_further(two, two)] == [True, False, False]
    assert [is_further(two, None), is_further(none, None)] == [True, False]
    assert [is_further(second, three), is_further(three, second)] == [True, False]


@pytest.mark.parametrize(
    "over", [{"request_id": "clip-2"}, {"spec_hash": "x"}, {"source_size": 4}, {"source_mtime_ns": 7}]
)
def test_segments_of_another_clip_or_recording_do_not_fit(clip: KeptClip, over: dict[str, Any]) -> None:
    file = clip.finish(2)
    assert misfit(file, KEEP, RECORDING) is None
    assert misfit(file.model_copy(update=over), KEEP, RECORDING) is not None


@pytest.mark.parametrize("text", [b"", b"{}", b"null", b"\xff", b"[" * 5000])
def test_an_unreadable_checkpoint_is_found_and_not_used(store: HangingStore, text: bytes) -> None:
    store.replace(checkpoint_key("clip-1"), text, expected=None)
    found = look(store, "clip-1")
    assert found is not None
    assert found.checkpoint is None


@pytest.mark.parametrize(
    "over",
    [
        {"request_id": "clip-2"},
        {"sha256": ()},
        {"frames": (1, 2)},
        {"sizes": (1,)},
        {"segment": 1},
        {"frame": 3},
        {"sha256": ("../../x", "y")},
    ],
)
def test_an_inconsistent_checkpoint_is_not_used(
    store: HangingStore, clip: KeptClip, scratch: Path, over: dict[str, Any]
) -> None:
    stored = upload(store, clip, 2, scratch)
    found = look(store, "clip-1")
    assert found is not None
    text = stored.model_copy(update=over).model_dump_json(exclude_none=True)
    store.replace(checkpoint_key("clip-1"), text.encode(), expected=found.version)
    again = look(store, "clip-1")
    assert again is not None
    assert again.checkpoint is None
