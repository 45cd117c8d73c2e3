"""One object of a local store: a folder of numbered versions, of which the newest is valid. No locks.

    lease.json@/1            the first version; as long as it is there, the object may exist
    lease.json@/41           older versions: the last few are kept
    lease.json@/42           the newest version
    r.mp4@/data              a clip's data until it is moved to its place, `r.mp4`

**Writing** version N + 1 is a link(2), which fails if that version exists: a compare-and-set that a stopped
process can't block. A process that was stopped just before its link may resume after that version was written
and removed. Its link then succeeds under an outdated number that no reader uses, and the process has to
detect that: its version is valid if it is the newest one after the link, or if another process has replaced
or deleted it. A process that replaces or deletes a version first unlinks the version's staged file; so if a
version is no longer the newest and its staged file still exists, it was never valid.

**Deleting** writes a last version that marks the object as deleted. Then the data is renamed over version 1
(which removes both in one step, and fails if a folder of other objects has the data's name), and the folder
is emptied and removed. A new object of the same key is a new folder, renamed to this name, which succeeds
only if there is none or an empty one. A late process works in the folder that it opened, through its
descriptor: once the folder is removed, the kernel refuses to link or rename into it. So a late process can't
affect the new object.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from clipping.errors import StoreUnavailable
from clipping.store.port import MAX_SMALL_OBJECT
from clipping.store.record import Record
from clipping.store.staging import Staging

FIRST = "1"
DATA = "data"
SUFFIX = "@"
"""Appended to the key; keys can't contain this character."""
TRIES = 100
"""An object that changes so often while it is read or written is reported as unavailable."""
_KEPT = 8
"""Old versions to keep. Listing the folder takes less time than this many writes, so that it always includes
the newest version."""
_MAX_RECORD = 4 * MAX_SMALL_OBJECT
_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST}


@dataclass(frozen=True)
class Version:
    """One version: a content, or a deletion."""

    number: int
    record: Record


class Versions:
    """An object's folder, open."""

    def __init__(self, path: Path, descriptor: int, staging: Staging) -> None:
        self._path, self._folder, self._staging = path, descriptor, staging
        self._names: list[str] = []

    @classmethod
    @contextmanager
    def opened(cls, place: Path, staging: Staging) -> Iterator[Versions | None]:
        """The versions of the object whose data is at `place`; None if there is no folder."""
        path = folder_of(place)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            descriptor = -1
        if descriptor < 0:
            yield None
            return
        try:
            yield cls(path, descriptor, staging)
        finally:
            os.close(descriptor)

    def newest(self) -> Version | None:
        """The valid version; None if the folder has none or was removed."""
        top = self._top()
        for _ in range(TRIES):
            if top is None:
                return None
            text = self._read(str(top))
            before, top = top, self._top()
            if text is not None and top == before:
                return Version(top, self._parsed(top, text))
        raise StoreUnavailable(f"{self._path} changes faster than it can be read")

    @property
    def has_data(self) -> bool:
        """Whether the data had not been moved to its place when `newest` was called."""
        return DATA in self._names

    def append(self, after: Version, record: Record) -> Version | None:
        """Write the version after `after`, durably; None if `after` is not the newest."""
        number = after.number + 1
        with self._staging.file(record.version, record.to_json()) as staged:
            self._staging.discard(after.record.version)
            try:
                os.link(staged, str(number), dst_dir_fd=self._folder)
            except FileExistsError:
                return None
            except FileNotFoundError:
                if staged.exists():
                    return None  # the folder was removed
                raise
            os.fsync(self._folder)
            if self._top() == number or not staged.exists():
                return Version(number, record)
        self._remove(str(number))
        if self._top() is None:
            self._remove_folder()
        return None

    def remove_old(self) -> None:
        """Remove the versions that are no longer needed, from the last listing by `append` or `newest`."""
        numbers = sorted(int(name) for name in self._names if name.isdecimal())
        for number in numbers[:-_KEPT]:
            if str(number) != FIRST:
                self._remove(str(number))

    def publish(self, place: Path) -> None:
        """Move the data to its place, unless another process has done so."""
        with suppress(FileNotFoundError):
            os.rename(DATA, place, src_dir_fd=self._folder)

    def remove_data(self, place: Path) -> None:
        """Remove the data of an outdated first version, and its record."""
        self._remove(DATA)  # first, so that no other process moves it to its place
        with suppress(FileNotFoundError, NotADirectoryError):
            if not stat.S_ISDIR(place.lstat().st_mode):  # it may be the folder of other objects
                os.rename(place, FIRST, dst_dir_fd=self._folder)

    def remove(self, last: Version | None, place: Path) -> None:
        """Remove the rest of an object. `last` is the version that marks it as deleted, None if `newest`
        is."""
        if last is not None:
            self._staging.discard(last.record.version)
            self.remove_data(place)
            self._remove(FIRST)
            os.fsync(self._folder)  # the object must not reappear if the power fails in the next step
        self._remove_folder()

    def adopt(self, record: Path) -> bool:
        """Move a record file here as the first version; False when it or this folder was removed."""
        try:
            if self._top() is None:
                os.rename(record, FIRST, dst_dir_fd=self._folder)
                os.fsync(self._folder)
            else:
                record.unlink()  # outdated: the object was moved here before
        except FileNotFoundError:
            return False
        return True

    def _top(self) -> int | None:
        self._names = os.listdir(self._folder)
        if FIRST not in self._names:
            return None
        return max(int(name) for name in self._names if name.isdecimal())

    def _read(self, name: str) -> bytes | None:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._folder)
        except FileNotFoundError:
            return None
        try:
            # Larger than any record if a clip's data was renamed over the first version.
            return os.read(descriptor, min(os.fstat(descriptor).st_size, _MAX_RECORD))
        finally:
            os.close(descriptor)

    def _parsed(self, number: int, text: bytes) -> Record:
        try:
            return Record.from_json(text)
        except ValueError as error:
            raise StoreUnavailable(f"{self._path / str(number)} is damaged: {error}") from None

    def _remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)

    def _remove_folder(self) -> None:
        for name in os.listdir(self._folder):
            self._remove(name)
        with suppress(FileNotFoundError):
            try:
                os.rmdir(self._path)
            except OSError as error:
                if error.errno not in _IN_THE_WAY:
                    raise


def folder_of(place: Path) -> Path:
    """The folder with the versions of the object whose data is at `place`."""
    return place.with_name(place.name + SUFFIX)


def begin(prepared: Path, place: Path) -> bool:
    """Rename a prepared folder to the object's; False if a non-empty one exists."""
    try:
        os.rename(prepared, folder_of(place))
    except OSError as error:
        if error.errno not in _IN_THE_WAY:
            raise
        return False
    return True
