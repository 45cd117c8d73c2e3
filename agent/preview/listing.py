"""A live, bounded listing of one folder. What links lead to is confined as for cuts."""

from __future__ import annotations

import base64
import binascii
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.cutting.cache import Cache
from agent.cutting.formats.media import Identity
from agent.resources.folders import Bounds, is_growing, names_in, open_folder, shown_name
from agent.resources.mounts import MountMemory
from agent.resources.sources import use_below
from clipping.clock import moment_of
from clipping.config import NasRoot
from clipping.contract.preview import RecordingEntry, RecordingFolder, RecordingList
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import ClippingError, InvalidRequest, NotFound
from clipping.text import folded

BOUNDS = Bounds(entries=20_000, folders=1000, links=200)
MOST_LISTED, USUALLY_LISTED = 200, 100


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
            descriptor = open_folder(opened)
        except NotADirectoryError:
            raise NotFound("there is no such folder") from None
        finally:
            os.close(opened)
        try:
            found = names_in(
                descriptor,
                BOUNDS,
                lambda name: self._linked(os.path.join(folder, name)),
                q=folded(page.q),
            )
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
                modified=moment_of(status.st_mtime),
                growing=is_growing(status.st_mtime, now),
                duration=None if info is None or info.duration is None else float(info.duration),
                codecs=None if info is None else info.played_codecs,
            )

    def _linked(self, path: str) -> os.stat_result | None:
        """What a link leads to, if that is below a root."""
        try:
            return use_below(path, self.roots, _status, mounts=self.mounts)
        except ClippingError:
            return None


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


def _status(_: Path, descriptor: int) -> os.stat_result:
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _folder(prefix: str, name: str) -> RecordingFolder:
    return RecordingFolder(name=name, prefix=f"{prefix}/{name}" if prefix else name)
