"""What scans find in real folders, and what the store has afterwards."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import pytest

from agent.catalog import kept, service
from agent.catalog.pace import Pace, Stopped
from agent.cutting.cache import Cache
from agent.cutting.formats.media import Identity, MediaInfo
from clipping.clock import SystemClock
from clipping.config import validate
from clipping.contract.catalog import CatalogIndex, index_key, page_key
from clipping.store.memory import MemoryStore
from tests.agent.catalog.conftest import OLD, Scanner, read_root, write
from tests.support.hung_mount import HungMount
from tests.support.waiting import eventually

Make = Callable[..., Scanner]


def test_recordings_are_listed_and_nothing_else(nas: Path, scanner: Make) -> None:
    (nas / "link.mp4").symlink_to(nas / "night.mp4")
    (nas / "out.mp4").symlink_to("/etc/passwd")
    (nas / "again").symlink_to(nas)
    (nas / "etc").symlink_to("/etc")
    os.mkfifo(nas / "pipe.mp4")
    (nas / "folder.mp4").mkdir()
    (Path(os.fsdecode(os.fsencode(nas) + b"/\xff.mp4"))).touch()
    one = scanner(nas)
    found = one.scan()
    assert list(found) == ["night.mp4", "2026/match.ts", "2026/november/table 7.MKV"]
    assert found["2026/match.ts"] == {"size": 7, "modified": OLD * 1000, "growing": False, "known": None}
    state = one.state()
    assert (state.available, state.recordings, state.folders, state.truncated) == (True, 3, 4, False)
    assert state.scanned_at is not None


def test_what_appears_grows_is_renamed_and_vanishes_is_seen_by_the_next_scan(
    nas: Path, scanner: Make
) -> None:
    one = scanner(nas)
    one.scan()
    write(nas / "new" / "a.mp4", 1, modified=time.time())
    assert one.scan()["new/a.mp4"]["growing"] is True
    write(nas / "new" / "a.mp4", 2, modified=time.time())
    found = one.scan()["new/a.mp4"]
    assert (found["size"], found["growing"]) == (2, True)
    write(nas / "new" / "a.mp4", 2)
    assert one.scan()["new/a.mp4"]["growing"] is False
    (nas / "new").rename(nas / "old")
    assert {"old/a.mp4"} == {path for path in one.scan() if path.endswith("a.mp4")}
    (nas / "old" / "a.mp4").unlink()
    (nas / "2026" / "match.ts").unlink()
    assert list(one.scan()) == ["night.mp4", "2026/november/table 7.MKV"]


def test_only_what_has_changed_is_written(nas: Path, scanner: Make) -> None:
    for n in range(2500):
        write(nas / f"{n % 50:02}" / f"{n}.mp4")
    one = scanner(nas)
    one.scan()
    before = one.keys()
    assert len(before) > 3
    one.scan()
    assert {key for key, version in one.keys().items() if before.get(key) != version} == {index_key("nas-1")}
    write(nas / "07" / "7.mp4", 100)
    one.scan()
    written = {key for key, version in one.keys().items() if before.get(key) != version}
    assert len(written) == 2
    # A process that starts again knows what is there.
    again = scanner(nas, store=one.store)
    before = one.keys()
    again.scan()
    assert {key for key, version in one.keys().items() if before.get(key) != version} == {index_key("nas-1")}
    first, second = (CatalogIndex.from_json(one.store.get(index_key("nas-1"))[0]).generation for _ in "ab")  # type: ignore[index]
    assert first == second == 4


def test_a_reader_between_two_writes_has_one_scan(
    nas: Path, scanner: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an index it has all of its pages, however much is written meanwhile, for a while."""
    one = scanner(nas)
    one.scan()
    old = read_root(one.store, nas)

    class Watched(MemoryStore):
        seen = 0

        def replace(self, key: str, data: bytes, *, expected: str | None):  # type: ignore[no-untyped-def]
            Watched.seen += read_root(one.store, nas) == old
            return type(one.store).replace(one.store, key, data, expected=expected)

    writing = Watched()
    writing.__dict__ = one.store.__dict__
    for name in ("a", "b"):
        write(nas / name / "c.mp4")
    monkeypatch.setattr(kept, "UNNAMED_SECONDS", 0.0)
    scanner(nas, store=writing).scan()
    assert Watched.seen == 2, "before the page, and before the index that names it"
    again = scanner(nas, store=one.store)
    assert len(again.scan()) == 5
    gone = page_key("nas-1", old[0].pages[0])
    assert one.store.stat(gone) is None, "no index names it any more"
    one.store.delete(page_key("nas-1", again.state().pages[0]))
    again.catalog._tidy_at = float("-inf")
    again.catalog.round()
    assert len(again.scan()) == 5, "a page that was deleted is written again"


def test_what_is_known_of_a_recording(nas: Path, scanner: Make, tmp_path: Path) -> None:
    one = scanner(nas)
    identity = Identity.of((nas / "night.mp4").stat())
    info = MediaInfo("mov,mp4", Fraction(0), Fraction(12), identity, (), (), None)
    Cache(tmp_path / "state" / "index").keep_info(info)
    known = one.scan()["night.mp4"]["known"]
    assert (known.duration, known.codecs) == (12.0, ())
    write(nas / "night.mp4", 50)
    assert one.scan()["night.mp4"]["known"] is None, "it is another recording now"


def test_a_root_that_is_no_longer_mounted_keeps_its_entries(nas: Path, tmp_path: Path, scanner: Make) -> None:
    other = write(tmp_path / "other" / "a.mp4").parent
    one = scanner(nas, other)
    before = one.scan(nas)
    scanned_at = one.state(nas).scanned_at
    nas.rename(tmp_path / "away")
    nas.mkdir()  # the mount point, which is empty
    write(other / "b.mp4")
    for _ in range(2):
        assert one.scan(nas) == before
        state = one.state(nas)
        assert (state.available, state.scanned_at) == (False, scanned_at)
        assert "is empty: mount the NAS" in (state.reason or "")
    assert state.unavailable_since is not None
    assert state.unavailable_since < state.checked_at
    assert set(one.entries(other)) == {"a.mp4", "b.mp4"}
    again = scanner(nas, other, store=one.store)
    assert again.scan(nas) == before, "over a restart, too"
    nas.rmdir()
    (tmp_path / "away").rename(nas)
    write(nas / "new.mp4")
    assert set(again.scan(nas)) == {*before, "new.mp4"}
    state = again.state(nas)
    assert (state.available, state.reason, state.unavailable_since) == (True, None, None)


def test_a_root_that_was_never_there(tmp_path: Path, scanner: Make) -> None:
    one = scanner(tmp_path / "none")
    assert one.scan() == {}
    state = one.state()
    assert (state.available, state.scanned_at) == (False, None)
    assert "No such file" in (state.reason or "")


@contextmanager
def hung(folder: Path) -> Iterator[HungMount]:
    try:
        mount = HungMount(folder)
    except OSError as error:
        pytest.skip(f"can't create a hung mount (requires root and FUSE): {error}")
    try:
        yield mount
    finally:
        mount.close()


def scanning(root: Path) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == f"catalog {root}"]


def test_a_root_that_hangs_blocks_nothing_else(nas: Path, tmp_path: Path, scanner: Make) -> None:
    other = write(tmp_path / "other" / "a.mp4").parent
    one = scanner(nas, other, look_seconds=0.5)
    before = one.scan(nas)
    with hung(nas):
        for number in range(3):
            write(other / f"{number}.mp4")
            begun = time.monotonic()
            assert one.scan(nas) == before
            assert time.monotonic() - begun < 5
            assert f"{number}.mp4" in one.entries(other)
            assert len(scanning(nas)) == 1, "one thread, however often it is scanned"
        state = one.state(nas)
        assert (state.available, state.reason) == (False, f"the NAS did not answer within 0.5 s: {nas}")
        begun = time.monotonic()
        one.catalog.close()
        assert time.monotonic() - begun < 1
    eventually(lambda: not scanning(nas), "the thread to end")
    again = scanner(nas, other, store=one.store)
    assert again.scan(nas) == before
    assert again.state(nas).available


def test_a_part_that_hangs_is_all_of_its_root(nas: Path, scanner: Make) -> None:
    one = scanner(nas, look_seconds=0.5)
    before = one.scan()
    with hung(nas / "2026"):
        assert one.scan() == before
        assert not one.state().available


def test_the_index_is_written_once_for_many_roots(
    tmp_path: Path, scanner: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A scan that takes longer than this is written more than once, as on a busy machine.
    monkeypatch.setattr(service, "WRITE_SECONDS", 60.0)
    roots = [write(tmp_path / name / "a.mp4").parent for name in "abcdef"]
    one = scanner(*roots)
    one.scan()
    index = CatalogIndex.from_json(one.store.get(index_key("nas-1"))[0])  # type: ignore[index]
    assert (len(index.roots), index.generation) == (6, 1)


def test_roots_that_are_no_longer_configured_are_forgotten(nas: Path, tmp_path: Path, scanner: Make) -> None:
    other = write(tmp_path / "other" / "a.mp4").parent
    one = scanner(nas, other)
    one.scan()
    one.tree["agent"]["nas_roots"].pop()
    one.settings.reload()
    one.works = False
    assert one.catalog.round() is False, "whether it works or not"
    index = CatalogIndex.from_json(one.store.get(index_key("nas-1"))[0])  # type: ignore[index]
    assert [root.path for root in index.roots] == [str(nas)]


def test_a_root_below_another_one_is_listed_once(nas: Path, scanner: Make) -> None:
    one = scanner(nas, nas / "2026")
    assert list(one.scan(nas)) == ["night.mp4"]
    assert list(one.entries(nas / "2026")) == ["match.ts", "november/table 7.MKV"]


def test_folders_that_may_not_be_read(nas: Path, scanner: Make) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (nas / "2026").chmod(0)
    one = scanner(nas)
    assert list(one.scan()) == ["night.mp4"]
    assert one.state().truncated


def test_the_thread_scans_by_itself_while_the_agent_works(nas: Path, scanner: Make) -> None:
    one = scanner(nas)
    one.works = False
    one.catalog.start()
    time.sleep(0.5)  # nothing happens in it
    assert one.store.stat(index_key("nas-1")) is None
    one.works = True
    eventually(lambda: one.store.stat(index_key("nas-1")), "the first scan")
    write(nas / "new.mp4")
    eventually(lambda: "new.mp4" in one.entries(), "the next scan")


def test_scans_together_are_not_faster_than_the_rate() -> None:
    pace, stop, begun = Pace(2000, SystemClock()), threading.Event(), time.monotonic()
    others = [threading.Thread(target=pace.take, args=(100, stop)) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    pace.take(1, stop)
    assert time.monotonic() - begun >= 0.15
    stop.set()
    with pytest.raises(Stopped):
        pace.take(1, stop)


def test_there_is_no_catalogue_without_a_key(nas: Path, scanner: Make) -> None:
    one = scanner(nas)
    assert one.catalog.enabled
    for section, key, value in (("preview", "key", None), ("catalog", "interval_seconds", 0)):
        tree = {**one.tree, section: {**one.tree[section], key: value}}
        off = scanner(nas)
        off.settings.current = validate(tree)
        off.catalog._interval = off.settings.current.catalog.interval_seconds
        assert not off.catalog.enabled
