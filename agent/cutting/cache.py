"""What is known of recordings, kept on disk: which streams, how long, and an MP4's index.

A recording is known by its identity (device, inode, size and time of change), whatever its path, and one in a
bucket by its URI and ETag: a file that changes in any way is another. Entries that can't be read are as good
as none. The least recently used go when there are too many.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agent.cutting.formats.media import Identity, MediaInfo
from agent.cutting.formats.spans import Span, Spans
from agent.cutting.reading.source import SourceFile

_SPANS: TypeAdapter[Spans] = TypeAdapter(Spans)
_INFO: TypeAdapter[MediaInfo] = TypeAdapter(MediaInfo)
_LIMIT_BYTES = 2 << 30
"""An MP4's index takes about 4 MB an hour."""


class Cache:
    """One folder; many processes may use it at once. Without a folder nothing is kept."""

    def __init__(self, folder: Path | None, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit = limit_bytes

    def info(self, identity: Identity) -> MediaInfo | None:
        """What was found out about a recording before."""
        file = self._file(identity, "json")
        if file is None:
            return None
        try:
            found = _INFO.validate_json(file.read_bytes())
            os.utime(file)
        except (OSError, ValidationError):
            return None
        return found if found.identity == identity else None

    def known(self) -> frozenset[str]:
        """The names (see `name_of`) of all recordings of which something was found out."""
        if self._folder is None:
            return frozenset()
        try:
            with os.scandir(self._folder) as entries:
                return frozenset(each.name[:-5] for each in entries if each.name.endswith(".json"))
        except OSError:
            return frozenset()

    def peek(self, name: str) -> MediaInfo | None:
        """As `info`, by a name of `known`. It does not count as a use."""
        assert self._folder is not None, "it knows a name"
        try:
            return _INFO.validate_json((self._folder / f"{name}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def keep_info(self, info: MediaInfo) -> None:
        """Remember it."""
        file = self._file(info.identity, "json")
        if file is not None:
            self._put(file, _INFO.dump_json(info))

    def headers(self, identity: Identity) -> bytes | None:
        """A recording's tracks as an MP4 without samples: see `muxer.track_headers`."""
        file = self._file(identity, "tracks")
        try:
            return None if file is None else file.read_bytes()
        except OSError:
            return None

    def keep_headers(self, identity: Identity, headers: bytes) -> None:
        """Remember it."""
        file = self._file(identity, "tracks")
        if file is not None:
            self._put(file, headers)

    def pieces(self, identity: Identity) -> dict[Span, bytes] | None:
        """The parts of a recording in a bucket that every cut needs."""
        file = self._file(identity, "pieces")
        kept = None if file is None else _mapped(file)
        if kept is None:
            return None
        with kept:
            head = kept.readline()
            try:
                spans = _SPANS.validate_json(head)
            except ValidationError:
                return None
            found, at = {}, len(head)
            for begin, end in spans:
                found[begin, end] = kept[at : at + end - begin]
                at += end - begin
            return found if at == len(kept) else None

    def keep_pieces(self, identity: Identity, pieces: dict[Span, bytes]) -> None:
        """Remember them."""
        file = self._file(identity, "pieces")
        if file is not None:
            self._put(file, b"\n".join([_SPANS.dump_json(tuple(pieces)), b"".join(pieces.values())]))

    def index(self, source: SourceFile) -> mmap.mmap:
        """A plain MP4's index (see `load_index`). Raises `NotPlain` and `OSError`."""
        file = self._file(source.identity, "moov")
        if file is not None:
            kept = _mapped(file)
            if kept is not None:
                return kept
        from agent.cutting.indexed.index import load_index  # with NumPy, which only jobs need

        index = load_index(source.path)
        if file is not None:
            self._put(file, index)
        return index

    def _file(self, identity: Identity, kind: str) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{name_of(identity)}.{kind}"

    def _put(self, file: Path, data: bytes | mmap.mmap) -> None:
        assert self._folder is not None
        part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.write_bytes(data)
            part.rename(file)
            self._prune()
        except OSError:
            # A cache that can't be written to is no reason not to cut.
            with suppress(OSError):
                part.unlink()

    def _prune(self) -> None:
        assert self._folder is not None
        entries = []
        for entry in os.scandir(self._folder):
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # another process was quicker
            entries.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._limit:
                return
            Path(path).unlink(missing_ok=True)
            total -= size


def name_of(identity: Identity) -> str:
    """What entries about a recording in this state are named by."""
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:40]


def _mapped(file: Path) -> mmap.mmap | None:
    try:
        with file.open("rb") as opened:
            os.utime(file)
            return mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
    except (OSError, ValueError):
        return None
