"""The objects of a local store as files: finds, creates, replaces and deletes them without locks.

Each object has a folder with its versions (`versions.py`). The previous version of this store kept one record
in `KEY@.json`, beside the data. Such a record is read in place, and moved into a folder when the object is
first written.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from clipping.errors import StoreUnavailable
from clipping.store.filesystem import make_folders, sync_file, sync_folder
from clipping.store.port import KEY
from clipping.store.record import Record
from clipping.store.staging import Staging
from clipping.store.versions import DATA, FIRST, SUFFIX, TRIES, Version, Versions, begin, folder_of

_FORMER = SUFFIX + ".json"


class Objects:
    """The objects in `folder`. A `place` is the path of an object's data, below it."""

    def __init__(self, folder: Path, staging: Staging) -> None:
        self._folder, self._staging = folder, staging

    def find(self, place: Path) -> Record | None:
        """The object's newest record; None when there is no object, or its data is incomplete."""
        for _ in range(TRIES):
            record = self._newest(place)
            if record is None or record.deleted:
                return None
            if _has_data(place, record):
                return record
            if self._newest(place) == record:
                return None
        raise _too_busy(place)

    def create(self, place: Path, record: Record, source: Path | None = None) -> Record | None:
        """Create an object, with the data of `source` if given; None when the object exists already.

        The source is hard-linked and then unlinked where possible, else copied.
        """
        taken = False
        with self._staging.folder(record.version) as prepared:
            if source is not None:
                taken = _bring(source, prepared / DATA)
                record = replace(record, size=(prepared / DATA).stat().st_size)
            first = prepared / FIRST
            first.write_bytes(record.to_json())
            sync_file(first)
            sync_folder(prepared)
            make_folders(place.parent, self._folder)
            if not self._begin(prepared, place):
                return None
        self._newest(place)  # moves the data to its place
        sync_folder(place.parent)
        if source is not None and taken:
            source.unlink(missing_ok=True)
        return record

    def replace(self, place: Path, record: Record, expected: str) -> bool:
        """Write a new version after the expected one; False when that is not the newest."""
        self._take_former(place)
        with Versions.opened(place, self._staging) as versions:
            newest = versions.newest() if versions else None
            if versions is None or newest is None or newest.record.version != expected:
                return False
            if newest.record.deleted or not _is_whole(place, versions, newest):
                return False
            if versions.append(newest, record) is None:
                return False
            versions.remove_old()
            if newest.record.data is None:
                versions.remove_data(place)
            return True

    def delete(self, place: Path, expected: str | None) -> bool | None:
        """Delete the object; False when there is none, None when its version is not the expected one.

        If another process deletes it and creates a new one at the same time, the new object is kept.
        """
        self._take_former(place)
        with Versions.opened(place, self._staging) as versions:
            for _ in range(TRIES):
                newest = versions.newest() if versions else None
                if versions is None or newest is None:
                    return False
                if newest.record.deleted:
                    versions.remove(newest, place)  # the process that deleted it may have died
                    return False
                if not _is_whole(place, versions, newest):
                    if versions.newest() == newest:
                        return False
                    continue
                if expected not in (None, newest.record.version):
                    return None
                deleted = versions.append(newest, _tombstone(newest.record))
                if deleted is not None:
                    versions.remove(deleted, place)
                    return True
        raise _too_busy(place)

    def keys(self, prefix: str, after: str) -> Iterator[str]:
        """The keys that start with `prefix` and sort after `after`, in order. Some may have no object.

        Only folders that may contain such keys are read: an agent looks up one clip among all.
        """
        above = prefix.rpartition("/")[0]
        folder = self._folder / above
        if not KEY.fullmatch(above):
            return _keys(self._folder, "", prefix, after)
        if folder.resolve() != folder or not folder.is_dir():  # it is, or leads over, a symbolic link
            return iter(())
        return _keys(folder, above + "/", prefix, after)

    def _newest(self, place: Path) -> Record | None:
        """The newest record, which may mark the object as deleted."""
        record = self._newest_version(place) or _former(place)
        # If neither exists, the record may just have been moved from the old place to the new one.
        return record or self._newest_version(place)

    def _newest_version(self, place: Path) -> Record | None:
        with Versions.opened(place, self._staging) as versions:
            newest = versions.newest() if versions else None
            if versions is None or newest is None:
                return None
            _is_whole(place, versions, newest)
            return newest.record

    def _begin(self, prepared: Path, place: Path) -> bool:
        for _ in range(TRIES):
            if not self._make_room(place):
                return False
            if begin(prepared, place):
                return True
        raise _too_busy(place)

    def _make_room(self, place: Path) -> bool:
        """Remove the rest of a deleted or incomplete object; False when there is a complete one."""
        self._take_former(place)
        with Versions.opened(place, self._staging) as versions:
            if versions is None:
                return True
            newest = versions.newest()
            if newest is not None and not newest.record.deleted:
                if _is_whole(place, versions, newest):
                    return False
                newest = versions.append(newest, _tombstone(newest.record))
                if newest is None:
                    return True  # another process has written: the next attempt sees its version
            versions.remove(newest, place)
            return True

    def _take_former(self, place: Path) -> None:
        """Move a record of the previous store version, if there is one, to its place in this version."""
        former = place.with_name(place.name + _FORMER)
        for _ in range(TRIES):
            if not former.exists():
                return
            folder_of(place).mkdir(exist_ok=True)
            with Versions.opened(place, self._staging) as versions:
                if versions is not None and versions.adopt(former):
                    sync_folder(place.parent)
                    return
        raise _too_busy(place)


def new_version() -> str:
    """A random version, so that the version of a deleted object is never reused."""
    return secrets.token_hex(8)


def _tombstone(record: Record) -> Record:
    return Record(new_version(), 0, "", record.created_at, {}, deleted=True)


def _former(place: Path) -> Record | None:
    path = place.with_name(place.name + _FORMER)
    try:
        return Record.from_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise StoreUnavailable(f"{path} is damaged: {error}") from None


def _is_whole(place: Path, versions: Versions, newest: Version) -> bool:
    """Whether the newest version has its data. Moves the data to its place if it is not there yet."""
    if versions.has_data and newest.record.data is None and not newest.record.deleted:
        versions.publish(place)
    return _has_data(place, newest.record)


def _has_data(place: Path, record: Record) -> bool:
    if record.data is not None:
        return True
    try:
        found = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == record.size


def _bring(source: Path, target: Path) -> bool:
    """Link a file to another name, or else copy it, and flush it to disk. Whether it was linked.

    It tries a link, as comparing device numbers is not enough: two bind mounts of one file system, as systemd
    creates for a service's writable paths, have the same number but refuse links between them.
    """
    try:
        os.link(source, target)
        linked = True
    except OSError:
        shutil.copyfile(source, target)
        linked = False
    sync_file(target)
    return linked


def _keys(folder: Path, above: str, prefix: str, after: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        names = sorted({above + name for entry in entries if (name := _key_or_folder(entry)) is not None})
    for name in names:
        if name.endswith("/"):
            if name.startswith(prefix[: len(name)]) and name >= after[: len(name)]:
                yield from _keys(folder / name[len(above) : -1], name, prefix, after)
        elif name.startswith(prefix) and name > after:
            yield name


def _key_or_folder(entry: os.DirEntry[str]) -> str | None:
    """An object's name, or a folder's name with a slash: else `a/b` would sort before `a.b`."""
    if entry.is_dir(follow_symlinks=False):
        return entry.name.removesuffix(SUFFIX) if entry.name.endswith(SUFFIX) else entry.name + "/"
    return entry.name.removesuffix(_FORMER) if entry.name.endswith(_FORMER) else None


def _too_busy(place: Path) -> StoreUnavailable:
    return StoreUnavailable(f"{place} changes faster than it can be read or written")
