"""The disk cache: bounded, atomic, and never wrong."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.cutting.formats.media import Identity
from agent.preview.cache import DiskCache, Made, key_of
from tests.agent.preview.conftest import Viewer
from tests.support.media import Recording, make

IDENTITY = Identity(1, 2, 3, 4)
SMALL = Made({"n": 1}, b"x" * 1000)


def key(number: int) -> str:
    return key_of(IDENTITY, "still", number)


def on_disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_was_put_is_there_also_after_a_restart(tmp_path: Path) -> None:
    DiskCache(tmp_path / "c", 10_000).put(key(1), SMALL)
    assert DiskCache(tmp_path / "c", 10_000).get(key(1)) == SMALL
    assert DiskCache(tmp_path / "c", 10_000).get(key(2)) is None


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 4000)
    for number in range(3):
        cache.put(key(number), SMALL)
    assert cache.get(key(0)) is not None
    cache.put(key(3), SMALL)
    assert [cache.get(key(number)) is not None for number in range(4)] == [True, False, True, True]
    assert on_disk(tmp_path) <= 4000


def test_the_order_of_use_survives_a_restart(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 4000)
    for number in range(3):
        cache.put(key(number), SMALL)
    for age, path in enumerate(sorted(tmp_path.iterdir())):
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.get(key(1)) is not None  # now the newest
    later = DiskCache(tmp_path, 1500)
    assert [later.get(key(number)) is not None for number in range(3)] == [False, True, False]


def test_it_stays_bounded_when_many_threads_write(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 20_000)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: cache.put(key(number), SMALL), range(200)))
    assert on_disk(tmp_path) <= 20_000
    assert cache.get(key(199)) is not None or cache.get(key(198)) is not None


def test_what_is_larger_than_the_cache_is_not_kept(tmp_path: Path) -> None:
    for limit in (0, 500):
        cache = DiskCache(tmp_path / "c", limit)
        cache.put(key(1), SMALL)
        assert cache.get(key(1)) is None
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "other"])
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: str) -> None:
    cache = DiskCache(tmp_path, 10_000)
    cache.put(key(1), SMALL)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    match damage:
        case "cut":
            file.write_bytes(content[:-1])
        case "flip":
            file.write_bytes(content[:-1] + b"y")
        case "empty":
            file.write_bytes(b"")
        case "gone":
            file.unlink()
        case "other":  # an intact entry under the wrong name
            cache.put(key(2), SMALL)
            (second,) = set(tmp_path.iterdir()) - {file}
            file.write_bytes(second.read_bytes())
    assert cache.get(key(1)) is None
    assert not file.exists()
    cache.put(key(1), SMALL)
    assert cache.get(key(1)) == SMALL


def test_a_write_that_was_cut_off_is_never_seen(tmp_path: Path) -> None:
    (tmp_path / "abc.1234.part").write_bytes(b"half")
    cache = DiskCache(tmp_path, 10_000)
    assert list(tmp_path.iterdir()) == []
    cache.put(key(1), SMALL)
    assert not list(tmp_path.glob("*.part"))


def test_a_disk_that_does_not_work_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = DiskCache(tmp_path / "file" / "below", 10_000)
    cache.put(key(1), SMALL)
    assert cache.get(key(1)) is None


@pytest.mark.parametrize("field", ["device", "inode", "size", "mtime_ns"])
def test_a_recording_that_changed_is_another(field: str) -> None:
    values = {"device": 1, "inode": 2, "size": 3, "mtime_ns": 4}
    assert key_of(Identity(**(values | {field: 9})), "still", 1) != key(1)


def test_a_preview_is_that_of_the_recording_as_it_is_now(viewer: Viewer) -> None:
    """A running agent: the second call comes from the disk, and not once the recording was exchanged."""
    path = viewer.agent.nas / "changing.mp4"
    shutil.copy(make(Recording(seconds=12)), path)
    try:
        hits = viewer.cache_hits()
        first = viewer.of("changing.mp4", "/still.jpg", t="3")
        second = viewer.of("changing.mp4", "/still.jpg", t="3")
        assert first.content == second.content
        assert viewer.cache_hits() == hits + 1
        shutil.copy(make(Recording(seconds=12, filters="negate,format=yuv420p")), path)
        third = viewer.of("changing.mp4", "/still.jpg", t="3")
        assert third.status_code == 200
        assert third.content != first.content
    finally:
        path.unlink()


def test_encoded_windows_are_cached_and_a_proxy_beside_the_recording_is_used(viewer: Viewer) -> None:
    nas = viewer.agent.nas
    original = Recording(seconds=12, video=("-c:v", "mpeg2video", "-g", "25"), extension="ts")
    shutil.copy(make(original), nas / "tape.ts")
    proxy = nas / "tape.proxy.mp4"
    try:
        assert viewer.of("tape.ts").json()["playable"] == "proxy"
        hits = viewer.cache_hits()
        first = viewer.of("tape.ts", "/window.mp4", t="5")
        assert (first.status_code, first.headers["Preview-Kind"]) == (200, "proxy")
        second = viewer.of("tape.ts", "/window.mp4", t="6.5")
        assert second.content == first.content
        assert viewer.cache_hits() > hits
        shutil.copy(make(Recording(seconds=12)), proxy)
        copied = viewer.of("tape.ts", "/window.mp4", t="5")
        assert (copied.status_code, copied.headers["Preview-Kind"]) == (200, "copy")
        listed = viewer.get("recordings", q="tape").json()["recordings"]
        assert [each["name"] for each in listed] == ["tape.ts"]
    finally:
        (nas / "tape.ts").unlink()
        proxy.unlink(missing_ok=True)
