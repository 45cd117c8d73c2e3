"""A live, bounded listing of one folder. What links lead to is confined as for cuts."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

from agent.cutting.cache import Cache
from agent.cutting.formats.media import Identity, MediaInfo
from agent.resources.mounts import MountMemory
from agent.resources.sources import use_below
from clipping.config import NasRoot
from clipping.contract.preview import RecordingEntry, RecordingFolder, RecordingList
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import ClippingError, InvalidRequest, NotFound

MOST_ENTRIES = 20_000
"""Of one folder."""
MOST_LINKS = 200
MOST_FOLDERS = 1000
MOST_LISTED, USUALLY_LISTED = 200, 100
GROWING_SECONDS = 10
"""A file that was changed so recently is perhaps still written."""
_VIDEO = "3gp asf avi dv flv gxf m2ts m4v mkv mov mp4 mpeg mpg mts mxf nut ogv ts vob webm wmv"
_AUDIO = "aac aiff flac m4a mp3 ogg wav"
SUFFIXES = frozenset(f".{name}" for name in f"{_VIDEO} {_AUDIO}".split())
_PROXY = ".proxy.mp4"


@dataclass(frozen=True)
class Page:
    """Which part of which folder is listed."""

    root: NasRoot
    prefix: str
    """Relative to the root, without a slash at the end; empty: the root itself."""
    q: str
    """What names contain, in any case."""
    limit: int
    behind: str | None
    """The name after which the page begins."""


@dataclass
class _Found:
    """The names in a folder."""

    folders: list[str] = field(default_factory=list)
    recordings: list[str] = field(default_factory=list)
    truncated: bool = False


@dataclass(frozen=True)
class Listing:
    """Lists folders below `roots`. May hang as the NAS does."""

    roots: Sequence[NasRoot]
    keys: PreviewKeys
    known: Cache
    mounts: MountMemory | None

    def read(self, page: Page) -> RecordingList:
        """Raises `NotFound`, and `SourceUnavailable`."""
        folder = os.path.join(page.root.path, page.prefix) if page.prefix else page.root.path
        return use_below(
            folder, self.roots, lambda _, opened: self._listed(page, folder, opened), mounts=self.mounts
        )

    def _listed(self, page: Page, folder: str, opened: int) -> RecordingList:
        try:
            descriptor = os.open(f"/proc/self/fd/{opened}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except NotADirectoryError:
            raise NotFound("there is no such folder") from None
        finally:
            os.close(opened)
        try:
            found = self._names(page.q.casefold(), folder, descriptor)
            names = [name for name in sorted(found.recordings) if page.behind is None or name > page.behind]
            first = page.behind is None
            shown, more = names[: page.limit], names[page.limit :]
            return RecordingList(
                root=page.root.path,
                prefix=page.prefix,
                folders=[_folder(page.prefix, name) for name in sorted(found.folders)] if first else [],
                recordings=list(self._entries(folder, descriptor, shown)),
                truncated=found.truncated,
                next_cursor=cursor_of(shown[-1]) if more else None,
            )
        finally:
            os.close(descriptor)

    def _names(self, q: str, folder: str, descriptor: int) -> _Found:
        found, links = _Found(), 0
        with os.scandir(descriptor) as entries:
            for number, entry in enumerate(entries):
                if number == MOST_ENTRIES or len(found.folders) == MOST_FOLDERS:
                    found.truncated = True
                    break
                name = entry.name
                if name.startswith(".") or q not in name.casefold() or name.lower().endswith(_PROXY):
                    continue
                is_recording = PurePath(name).suffix.lower() in SUFFIXES
                if entry.is_symlink():
                    links += 1
                    if links > MOST_LINKS:
                        found.truncated = True
                    elif (status := self._linked(os.path.join(folder, name))) is not None:
                        _sort_in(found, name, status.st_mode, is_recording=is_recording)
                elif entry.is_dir(follow_symlinks=False):
                    _sort_in(found, name, stat.S_IFDIR, is_recording=False)
                elif entry.is_file(follow_symlinks=False):
                    _sort_in(found, name, stat.S_IFREG, is_recording=is_recording)
        return found

    def _entries(self, folder: str, descriptor: int, names: Sequence[str]) -> Iterator[RecordingEntry]:
        now = time.time()
        for name in names:
            path = os.path.join(folder, name)
            try:
                status: os.stat_result | None = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue  # it has vanished
            if status is not None and stat.S_ISLNK(status.st_mode):
                status = self._linked(path)
            if status is None or not stat.S_ISREG(status.st_mode):
                continue
            info = self.known.info(Identity.of(status))
            yield RecordingEntry(
                id=self.keys.recording_id(path),
                name=shown_name(name),
                path=shown_name(path),
                size=status.st_size,
                modified=datetime.fromtimestamp(status.st_mtime, UTC),
                growing=is_growing(status.st_mtime, now),
                duration=None if info is None or info.duration is None else float(info.duration),
                codecs=None if info is None else _codecs(info),
            )

    def _linked(self, path: str) -> os.stat_result | None:
        """What a link leads to, if that is below a root."""
        try:
            return use_below(path, self.roots, _status, mounts=self.mounts)
        except ClippingError:
            return None


def shown_name(name: str) -> str:
    """A name as valid Unicode: names of files need not be."""
    return os.fsencode(name).decode("utf-8", "replace")


def is_growing(modified: float, now: float) -> bool:
    """Whether a file is perhaps still written."""
    return 0 <= now - modified < GROWING_SECONDS


def checked_prefix(prefix: str) -> str:
    """A folder below a root. Raises `InvalidRequest`."""
    parts = [part for part in prefix.split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise InvalidRequest("prefix must be a folder below the root, without . and ..", field="prefix")
    return "/".join(parts)


def cursor_of(name: str) -> str:
    """The cursor of the page behind this name."""
    return base64.urlsafe_b64encode(os.fsencode(name)).decode().rstrip("=")


def name_of(cursor: str) -> str:
    """The name behind which a page begins. Raises `InvalidRequest`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return os.fsdecode(base64.b64decode(padded, b"-_", validate=True))
    except (UnicodeError, binascii.Error):
        raise InvalidRequest("cursor must be a next_cursor of the same list", field="cursor") from None


def _sort_in(found: _Found, name: str, mode: int, *, is_recording: bool) -> None:
    if stat.S_ISDIR(mode) and shown_name(name) == name:
        found.folders.append(name)
    elif stat.S_ISREG(mode) and is_recording:
        found.recordings.append(name)


def _status(_: Path, descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _folder(prefix: str, name: str) -> RecordingFolder:
    return RecordingFolder(name=name, prefix=f"{prefix}/{name}" if prefix else name)


def _codecs(info: MediaInfo) -> list[str]:
    return [stream.codec for stream in info.streams if stream.kind in ("video", "audio")]
