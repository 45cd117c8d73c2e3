"""A process that is stopped (SIGSTOP) or killed at any point of a call of the local store.

While it is stopped, every other process does all that a store does, within the time that a lease allows for
a call. When it goes on, minutes later as it were, it neither undoes nor damages what the others did, and
its result is true. Stopped before *each* file system call that it makes.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clipping.errors import ObjectExists, VersionMismatch
from clipping.store.local import LocalStore
from tests.clipping.store.former import write_former_clip, write_former_small
from tests.clipping.store.stepped import Forks, Stopped

pytestmark = [pytest.mark.sampled(slow=5)]

CLIP = "clips/h/r.mp4"
LEASE = "ha/main/lease.json"
HELD_UP_SECONDS = 10.0
"""A call takes milliseconds, on a busy machine a second; one that waits for a frozen process never ends."""
ROUNDS = 12
"""More versions than are kept, so that the version the stopped process wants to write was removed."""


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as server:
        yield server


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", public_url="http://x")


class Others:
    """The other processes: calls of the store, each of which must return in time."""

    def __init__(self, store: LocalStore, folder: Path) -> None:
        self._store, self._folder = store, folder
        self._sources = 0

    def call(self, work: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        try:
            return work()
        finally:
            assert time.monotonic() - begun < HELD_UP_SECONDS, "another process was held up"

    def content(self, key: str) -> str | None:
        found = self.call(lambda: self._store.get(key))
        stat = self.call(lambda: self._store.stat(key))
        assert (found and found[1]) == stat
        listed = [info for info in self.call(lambda: self._store.list("")).objects if info.key == key]
        assert listed == ([stat] if stat else [])
        return found[0].decode() if found else None

    def version(self, key: str) -> str | None:
        info = self.call(lambda: self._store.stat(key))
        return info.version if info else None

    def create(self, key: str, data: str) -> bool:
        self._sources += 1
        source = self._folder / f"source-{self._sources}"
        source.write_text(data)
        metadata = {"by": data}
        try:
            self.call(lambda: self._store.create(key, source, content_type="video/mp4", metadata=metadata))
        except ObjectExists:
            assert source.read_text() == data, "a refused source is kept"
            return False
        finally:
            source.unlink(missing_ok=True)
        return True

    def replace(self, key: str, data: str, expected: str | None) -> str:
        return str(self.call(lambda: self._store.replace(key, data.encode(), expected=expected)).version)

    def delete(self, key: str, expected: str | None = None) -> bool:
        return bool(self.call(lambda: self._store.delete(key, expected=expected)))

    def everything(self) -> None:
        """The other work of a cluster: other clips, another lease."""
        assert self.create("clips/h/other.mp4", "other")
        assert self.content("clips/h/other.mp4") == "other"
        version = self.replace("ha/main/other.json", "0", None)
        version = self.replace("ha/main/other.json", "1", version)
        assert self.delete("ha/main/other.json", version)
        assert self.delete("clips/h/other.mp4")

    def supersede(self, key: str) -> str:
        """Replace it more often than versions are kept; create it first if there is none."""
        version = self.version(key)
        for number in range(ROUNDS):
            version = self.replace(key, f"others {number}", version)
        return f"others {ROUNDS - 1}"

    def delete_and_recreate(self, key: str) -> str:
        """Delete and recreate the object under the same name."""
        self.supersede(key)
        assert self.delete(key, self.version(key))
        assert self.content(key) is None
        if key == CLIP:
            assert self.create(key, "others again")
        else:
            self.replace(key, "others again", None)
        return "others again"


@dataclass(frozen=True)
class Case:
    """One call of the store that a process is stopped in."""

    name: str
    action: str
    key: str
    prepare: Callable[[LocalStore, Path, Others], str | None]
    """Sets up the initial state; returns the version that the call expects."""
    effect: str | None
    """The content after the call has taken effect; None if there is then no object."""
    refused: str = "VersionMismatch"
    """The error of a call that was too late."""
    copied: bool = False
    """Whether the source is on another file system."""


def _nothing(store: LocalStore, folder: Path, others: Others) -> None:
    return None


def _a_clip(store: LocalStore, folder: Path, others: Others) -> str | None:
    assert others.create(CLIP, "before")
    return others.version(CLIP)


def _a_clip_without_data(store: LocalStore, folder: Path, others: Others) -> None:
    assert others.create(CLIP, "before")
    (folder / "store" / "objects" / CLIP).unlink()


def _a_former_clip(store: LocalStore, folder: Path, others: Others) -> str:
    return write_former_clip(folder / "store", CLIP, b"before")


def _a_former_clip_without_data(store: LocalStore, folder: Path, others: Others) -> None:
    write_former_clip(folder / "store", CLIP, b"before")
    (folder / "store" / "objects" / CLIP).unlink()


def _a_lease(store: LocalStore, folder: Path, others: Others) -> str:
    return others.replace(LEASE, "before", None)


def _an_old_lease(store: LocalStore, folder: Path, others: Others) -> str | None:
    others.replace(LEASE, "before", None)
    others.supersede(LEASE)
    return others.version(LEASE)


def _a_former_lease(store: LocalStore, folder: Path, others: Others) -> str:
    return write_former_small(folder / "store", LEASE, b"before")


CASES = [
    Case("create", "create", CLIP, _nothing, "effect", "ObjectExists"),
    Case("create-by-copy", "create", CLIP, _nothing, "effect", "ObjectExists", copied=True),
    Case("create-without-data", "create", CLIP, _a_clip_without_data, "effect", "ObjectExists"),
    Case("create-former-without-data", "create", CLIP, _a_former_clip_without_data, "effect", "ObjectExists"),
    Case("begin", "replace", LEASE, _nothing, "effect"),
    Case("replace", "replace", LEASE, _a_lease, "effect"),
    Case("replace-old", "replace", LEASE, _an_old_lease, "effect"),
    Case("replace-former", "replace", LEASE, _a_former_lease, "effect"),
    Case("replace-clip", "replace", CLIP, _a_clip, "effect"),
    Case("delete", "delete", LEASE, _a_lease, None),
    Case("delete-old", "delete", LEASE, _an_old_lease, None),
    Case("delete-clip", "delete", CLIP, _a_clip, None),
    Case("delete-former-clip", "delete", CLIP, _a_former_clip, None),
]


@dataclass
class Scene:
    """A store in which a process is stopped in mid-call."""

    folder: Path
    others: Others
    process: Stopped
    before: str | None


def _scenes(case: Case, area: Path, forks: Forks, elsewhere: Path | None = None) -> Iterator[Scene]:
    """One for each file system call that the process makes."""
    if case.copied and (elsewhere is None or elsewhere.stat().st_dev == area.stat().st_dev):
        pytest.skip("there is no second file system to copy from")
    point = 0
    while True:
        folder = area / f"{point}"
        folder.mkdir()
        store = _store(folder)
        others = Others(store, folder)
        expected = case.prepare(store, folder, others)
        before = others.content(case.key)
        process = _start(case, forks, folder, elsewhere if case.copied else folder, point, expected)
        if not process.stopped:
            assert point > 0, "it never stopped"
            return
        yield Scene(folder, others, process, before)
        point += 1


def _start(
    case: Case, forks: Forks, folder: Path, sources: Path | None, stop_before: int, expected: str | None
) -> Stopped:
    source = (sources or folder) / f"source of {case.name}"
    source.write_text("effect")
    return forks.start(
        folder,
        case.action,
        case.key,
        stop_before=stop_before,
        source=str(source),
        data="effect",
        expected=expected,
    )


def _took_effect(case: Case, scene: Scene) -> bool:
    """Whether others see the effect or the previous state while the process is stopped."""
    now = scene.others.content(case.key)
    assert now in (case.effect, scene.before), scene.process.at
    return now == case.effect and case.effect != scene.before


def _is_refused(case: Case, result: Any) -> bool:
    return bool(isinstance(result, dict) and result["error"] == case.refused)


def _no_leftovers(scene: Scene, key: str) -> None:
    """After deleting everything no file is left, and reopening removes the files of dead processes."""
    temporary = scene.folder / "store" / "tmp"
    for path in temporary.iterdir():
        os.utime(path, (time.time() - 600, time.time() - 600))
    store = _store(scene.folder)
    assert list(temporary.iterdir()) == []
    for info in store.list("").objects:
        assert store.delete(info.key, expected=info.version)
    left = [path for path in (scene.folder / "store" / "objects").rglob("*") if path.is_file()]
    assert left == [], scene.process.at


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stopped_process_blocks_no_other_and_resumes_correctly(
    case: Case, tmp_path: Path, area: Path, forks: Forks
) -> None:
    for scene in _scenes(case, area, forks, tmp_path):
        _took_effect(case, scene)
        scene.others.everything()
        result = scene.process.resume()
        assert not isinstance(result, dict), (scene.process.at, result)
        assert scene.others.content(case.key) == case.effect, scene.process.at
        _no_leftovers(scene, case.key)


@pytest.mark.parametrize("how", ["supersede", "delete_and_recreate"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_process_stopped_while_others_write_the_same_object_does_no_harm(
    case: Case, how: str, tmp_path: Path, area: Path, forks: Forks
) -> None:
    for scene in _scenes(case, area, forks, tmp_path):
        effective = _took_effect(case, scene)
        last = getattr(scene.others, how)(case.key)
        version = scene.others.version(case.key)
        result = scene.process.resume()
        assert scene.others.content(case.key) == last, scene.process.at
        assert scene.others.version(case.key) == version, scene.process.at
        if effective:
            assert isinstance(result, str) or result is True, (scene.process.at, result)
        else:
            assert _is_refused(case, result) or result is False, (scene.process.at, result)
        # Nor does what it has left behind hinder the next writer.
        assert scene.others.replace(case.key, "next", version)
        _no_leftovers(scene, case.key)


@pytest.mark.parametrize("how", ["supersede", "delete_and_recreate"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_killed_process_leaves_a_consistent_store(
    case: Case, how: str, tmp_path: Path, area: Path, forks: Forks
) -> None:
    for scene in _scenes(case, area, forks, tmp_path):
        effective = _took_effect(case, scene)
        scene.process.kill()
        scene.others = Others(_store(scene.folder), scene.folder)
        assert _took_effect(case, scene) == effective
        scene.others.everything()
        last = getattr(scene.others, how)(case.key)
        assert scene.others.content(case.key) == last, scene.process.at
        _no_leftovers(scene, case.key)


@pytest.mark.parametrize("how", [None, "supersede", "delete_and_recreate"])
def test_two_processes_that_are_stopped_in_the_same_object_do_no_harm(
    how: str | None, area: Path, forks: Forks
) -> None:
    """Stopped at random points and resumed one after the other."""
    chance = random.Random(str(how))
    for number in range(20):
        folder = area / f"{number}"
        folder.mkdir()
        others = Others(_store(folder), folder)
        key = chance.choice([LEASE, CLIP])
        cases = chance.sample([case for case in CASES if case.key == key and not case.copied], 2)
        expected = cases[0].prepare(_store(folder), folder, others)
        before = others.content(key)
        processes = []
        for case in cases:
            wanted = expected or "none" if case.action == "delete" else expected
            processes.append(_start(case, forks, folder, folder, chance.randrange(30), wanted))
        last = getattr(others, how)(key) if how else None
        version = others.version(key)
        chance.shuffle(processes)
        results = [process.resume() if process.stopped else process.result() for process in processes]
        errors = {result["error"] for result in results if isinstance(result, dict)}
        assert errors <= {"ObjectExists", "VersionMismatch"}, results
        if how:
            assert (others.content(key), others.version(key)) == (last, version)
        elif expected and "create" not in {case.action for case in cases}:
            assert sum(isinstance(result, str) or result is True for result in results) == 1, results
        others.replace(key, "next", others.version(key))
        _no_leftovers(Scene(folder, others, processes[0], before), key)


@pytest.mark.parametrize("how", ["supersede", "delete_and_recreate"])
@pytest.mark.parametrize("prepare", [_a_lease, _a_clip, _a_former_lease, _a_former_clip])
@pytest.mark.parametrize("action", ["get", "list"])
def test_a_stopped_reader_reads_a_version_that_existed(
    action: str, prepare: Callable[..., str], how: str, area: Path, forks: Forks
) -> None:
    key = LEASE if prepare in (_a_lease, _a_former_lease) else CLIP
    case = Case(action, action, key, prepare, "before")
    for scene in _scenes(case, area, forks):
        old = scene.others.version(key)
        last = getattr(scene.others, how)(key)
        result = scene.process.resume()
        if action == "get":
            assert result in ("before", last), (scene.process.at, result)
        else:
            assert result in ([], [[key, old]], [[key, scene.others.version(key)]]), scene.process.at


def test_a_version_that_was_deleted_never_matches_again(tmp_path: Path) -> None:
    store = _store(tmp_path)
    others = Others(store, tmp_path)
    old = [others.replace(LEASE, "A", None)]
    for _ in range(3):
        old.append(others.replace(LEASE, "B", old[-1]))
        old.append(others.replace(LEASE, "A", old[-1]))
        assert others.delete(LEASE, old[-1])
        old.append(others.replace(LEASE, "A", None))
    for version in old[:-1]:
        with pytest.raises(VersionMismatch):
            store.replace(LEASE, b"late", expected=version)
        with pytest.raises(VersionMismatch):
            store.delete(LEASE, expected=version)
    assert others.content(LEASE) == "A"
    assert others.version(LEASE) == old[-1]
