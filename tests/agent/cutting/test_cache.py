"""Cached facts about a recording are found again, and never used for another."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import CutSpec, Engine, EngineSettings
from agent.cutting.cache import Cache
from agent.cutting.formats.media import MediaInfo
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.reading.probe import probe
from agent.cutting.reading.source import open_path
from tests.support.media import Recording, make, numbers


def known(cache: Cache, path: Path) -> MediaInfo | None:
    with open_path(path) as source:
        return cache.info(source.identity)


def index_of(cache: Cache, path: Path) -> bytes:
    with open_path(path) as source:
        return bytes(cache.index(source))


@pytest.mark.parametrize("extension", ["mp4", "ts"])
def test_what_was_found_out_is_found_again(tmp_path: Path, extension: str) -> None:
    source = make(Recording(extension))
    assert known(Cache(tmp_path), source) is None
    Cache(tmp_path).keep_info(probe(source))
    assert known(Cache(tmp_path), source) == probe(source)


def test_a_recording_that_changes_in_any_way_is_another(tmp_path: Path) -> None:
    cache, source = Cache(tmp_path / "cache"), tmp_path / "game.mp4"
    source.write_bytes(make().read_bytes())
    cache.keep_info(probe(source))
    assert known(cache, source) is not None
    os.utime(source, ns=(1, 1))
    assert known(cache, source) is None
    cache.keep_info(probe(source))
    kept = source.stat()
    source.unlink()
    source.write_bytes(make().read_bytes())
    os.utime(source, ns=(kept.st_mtime_ns, kept.st_mtime_ns))
    assert known(cache, source) is None or source.stat().st_ino == kept.st_ino


def test_a_recording_is_the_same_under_every_name(tmp_path: Path) -> None:
    cache, source = Cache(tmp_path / "cache"), tmp_path / "game.mp4"
    source.write_bytes(make().read_bytes())
    cache.keep_info(probe(source))
    os.link(source, tmp_path / "link.mp4")
    source.rename(tmp_path / "other.mp4")
    assert (
        known(cache, tmp_path / "other.mp4")
        == known(cache, tmp_path / "link.mp4")
        == probe(tmp_path / "link.mp4")
    )


@pytest.mark.parametrize("rubbish", [b"", b"{}", b"\xff\xfe", b'{"path": "/x"}'])
def test_entries_that_cannot_be_read_are_none(tmp_path: Path, rubbish: bytes) -> None:
    source = make()
    cache = Cache(tmp_path)
    cache.keep_info(probe(source))
    (entry,) = tmp_path.iterdir()
    entry.write_bytes(rubbish)
    assert known(cache, source) is None


def test_a_folder_that_cannot_be_written_to_is_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file")
    cache.keep_info(probe(make()))
    assert known(cache, make()) is None
    assert len(index_of(cache, make())) > 0


def test_an_index_is_read_from_the_recording_once(tmp_path: Path) -> None:
    cache, source = Cache(tmp_path / "cache"), tmp_path / "game.mp4"
    source.write_bytes(make().read_bytes())
    first = index_of(cache, source)
    kept = source.stat().st_mtime_ns
    with source.open("r+b") as file:
        file.write(bytes(source.stat().st_size))
    os.utime(source, ns=(kept, kept))
    assert index_of(cache, source) == first


def test_what_is_no_mp4_has_no_index_to_keep(tmp_path: Path) -> None:
    source = make(Recording("mkv"))
    with pytest.raises(NotPlain):
        index_of(Cache(tmp_path), source)
    assert list(tmp_path.iterdir()) == []


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    sources = [make(Recording(extension)) for extension in ("mp4", "mkv", "ts")]
    cache = Cache(tmp_path)
    for age, source in zip((30, 20, 10), sources, strict=True):
        cache.keep_info(probe(source))
        newest = max(tmp_path.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
        os.utime(newest, ns=(10**9 - age, 10**9 - age))
    assert known(cache, sources[0]) is not None  # which is a use
    size = max(entry.stat().st_size for entry in tmp_path.iterdir())
    Cache(tmp_path, limit_bytes=2 * size).keep_info(probe(make(Recording("mov"))))
    assert [known(cache, source) is not None for source in sources] == [True, False, False]


def test_a_cut_does_not_believe_a_damaged_index(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    engine = Engine(EngineSettings(cache_dir=folder))
    engine.start()
    try:
        spec = CutSpec(make(), Fraction("3.3"), Fraction("7.1"), "smart", "high")
        good = index_of(Cache(folder), make())
        (index,) = folder.glob("*.moov")
        for damage in ("none", "empty", "zeros", "half", "shifted"):
            index.write_bytes(damaged(good, damage))
            clip = engine.cut(spec, tmp_path, progress=lambda *_: None)
            assert numbers(clip.path) == list(range(83, 178))
            assert clip.report.warnings == []
    finally:
        engine.close()


def damaged(content: bytes, how: str) -> bytes:
    """An index with a fault."""
    match how:
        case "empty":
            return b""
        case "zeros":
            return bytes(2000)
        case "half":
            return content[: len(content) // 2]
        case "shifted":  # chunks begin a few bytes further
            at = content.index(b"stco") + 12
            chunks = bytearray(content)
            for place in range(at, at + 40, 4):
                moved = int.from_bytes(chunks[place : place + 4], "big") + 5
                chunks[place : place + 4] = moved.to_bytes(4, "big")
            return bytes(chunks)
    return content
