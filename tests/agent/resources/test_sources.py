"""The folders that clips may be cut from."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from agent.cutting.reading.source import SourceFile, open_path
from agent.resources.sources import MOST_LOOKS, answer_within, check_mounted, open_below
from bench.confinement import Swap
from clipping.config import NasRoot
from clipping.errors import SourceNotAllowed, SourceNotFound, SourceUnavailable
from tests.support.waiting import eventually


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    root = tmp_path / "nas"
    (root / "2024").mkdir(parents=True)
    (root / "2024" / "night.mp4").write_bytes(b"video")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    return root


def opened(path: str, roots: list[NasRoot]) -> Path:
    """The real path of the file that was opened."""
    with open_below(path, roots) as source:
        assert source.name == Path(path)
        return Path(os.readlink(source.path))


def roots(*paths: Path, marker: str | None = None) -> list[NasRoot]:
    return [NasRoot(path=str(path), marker=marker) for path in paths]


def test_a_file_in_a_root(nas: Path) -> None:
    assert opened(str(nas / "2024/night.mp4"), roots(nas)) == nas.resolve() / "2024/night.mp4"


def test_a_link_within_the_roots_is_followed(nas: Path) -> None:
    (nas / "latest.mp4").symlink_to("2024/night.mp4")
    assert opened(str(nas / "latest.mp4"), roots(nas)) == nas.resolve() / "2024/night.mp4"


def test_an_absolute_link_into_a_root_is_followed(nas: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "old.mp4").write_bytes(b"video")
    (nas / "latest.mp4").symlink_to(nas / "2024" / "night.mp4")
    (nas / "old").symlink_to(tmp_path / "archive")
    both = roots(nas, tmp_path / "archive")
    assert opened(str(nas / "latest.mp4"), both) == nas / "2024/night.mp4"
    assert opened(str(nas / "old/old.mp4"), both) == tmp_path / "archive/old.mp4"
    with pytest.raises(SourceNotAllowed):
        open_below(str(nas / "old/old.mp4"), roots(nas))


def test_a_folder_that_is_exchanged_with_a_link_to_the_outside_never_yields_a_file_outside(
    nas: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "night.mp4").write_bytes(b"secret")
    inside = 0
    swap = Swap(nas, tmp_path / "outside", pause=0)
    wanted = swap.folder / "night.mp4"
    wanted.write_bytes(b"video")
    with swap:
        deadline = time.monotonic() + 60
        while (inside < 200 or swap.swaps < 2000) and time.monotonic() < deadline:
            try:
                with open_below(str(wanted), roots(nas)) as source:
                    assert source.path.read_bytes() == b"video"
                    inside += 1
            except (SourceNotAllowed, SourceUnavailable):
                pass
    assert (inside, swap.swaps) >= (200, 2000)


def test_what_is_opened_too_late_is_closed(nas: Path) -> None:
    slow = threading.Event()

    def look() -> SourceFile:
        slow.wait(60)
        return open_path(nas / "2024" / "night.mp4")

    with pytest.raises(SourceUnavailable, match="no answer"):
        answer_within(look, 0.05, "no answer", discard=SourceFile.close)
    before = len(os.listdir("/proc/self/fd"))
    slow.set()
    eventually(lambda: not any(t.name == "nas-look" for t in threading.enumerate()))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_root_may_itself_be_a_link(nas: Path, tmp_path: Path) -> None:
    (tmp_path / "volume").symlink_to(nas)
    found = opened(str(tmp_path / "volume/2024/night.mp4"), roots(tmp_path / "volume"))
    assert found == nas.resolve() / "2024/night.mp4"


@pytest.mark.parametrize(
    "path", ["{nas}/../secret.mp4", "{nas}/2024/../../secret.mp4", "/etc/passwd", "{nas}-other/x"]
)
def test_what_lies_outside_is_refused(nas: Path, path: str) -> None:
    with pytest.raises(SourceNotAllowed, match="is outside the roots"):
        open_below(path.format(nas=nas), roots(nas))


@pytest.mark.parametrize("target", ["../secret.mp4", "/etc/passwd", "/proc/self/environ"])
def test_a_link_that_leads_out_is_refused(nas: Path, target: str) -> None:
    (nas / "trap.mp4").symlink_to(target)
    with pytest.raises(SourceNotAllowed):
        open_below(str(nas / "trap.mp4"), roots(nas))


def test_no_roots_means_no_sources(nas: Path) -> None:
    with pytest.raises(SourceNotAllowed):
        open_below(str(nas / "2024/night.mp4"), [])


def test_only_regular_files(nas: Path) -> None:
    os.mkfifo(nas / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(nas)  # a socket's path may have 108 bytes at most
        server.bind("socket")
        os.chdir(here)
    for name in ("2024", "pipe", "socket"):
        with pytest.raises(SourceNotAllowed, match="not a regular file"):
            open_below(str(nas / name), roots(nas))


@pytest.mark.parametrize("name", ["none.mp4", "none/night.mp4", "2024/night.mp4/x", "x" * 300])
def test_a_missing_file_on_a_mounted_nas_is_not_found(nas: Path, name: str) -> None:
    with pytest.raises(SourceNotFound):
        open_below(str(nas / name), roots(nas))


def test_a_link_in_a_circle_is_not_found(nas: Path) -> None:
    (nas / "a").symlink_to("b")
    (nas / "b").symlink_to("a")
    with pytest.raises((SourceNotFound, SourceNotAllowed)):
        open_below(str(nas / "a"), roots(nas))


def test_an_empty_root_is_unavailable_and_not_missing_files(tmp_path: Path) -> None:
    empty = tmp_path / "nas"
    empty.mkdir()
    with pytest.raises(SourceUnavailable, match="mount the NAS there"):
        open_below(str(empty / "night.mp4"), roots(empty))


def test_a_root_without_its_marker_is_unavailable(nas: Path) -> None:
    marked = roots(nas, marker=".mounted")
    with pytest.raises(SourceUnavailable, match=r"\.mounted"):
        open_below(str(nas / "none.mp4"), marked)
    with pytest.raises(SourceUnavailable):
        check_mounted(marked[0])
    (nas / ".mounted").touch()
    check_mounted(marked[0])
    with pytest.raises(SourceNotFound):
        open_below(str(nas / "none.mp4"), marked)


def test_a_root_that_may_hang_is_not_looked_at_for_a_file_of_another(
    nas: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []
    realpath = os.path.realpath

    def look(path: str) -> str:
        looked_at.append(str(path))
        return realpath(path)

    monkeypatch.setattr(os.path, "realpath", look)
    other = tmp_path / "other"
    found = opened(str(nas / "2024/night.mp4"), [*roots(other), *roots(nas)])
    assert found == nas / "2024/night.mp4"
    assert str(other) not in looked_at


def test_a_missing_root_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable):
        check_mounted(roots(tmp_path / "gone")[0])


def test_a_nas_that_does_not_answer_is_unavailable() -> None:
    never = threading.Event()
    with pytest.raises(SourceUnavailable, match="no answer"):
        answer_within(never.wait, 0.05, "no answer")
    never.set()


def test_looks_that_hang_do_not_pile_up() -> None:
    never = threading.Event()
    before = threading.active_count()
    for _ in range(MOST_LOOKS + 5):
        with pytest.raises(SourceUnavailable, match="no answer"):
            answer_within(never.wait, 0.01, "no answer", root="/nas")
    assert threading.active_count() <= before + MOST_LOOKS
    assert answer_within(lambda: "there", 5, "no answer", root="/other") == "there"
    never.set()
    assert answer_within(lambda: "there", 5, "no answer", root="/nas") == "there"
