"""A folder as an object store, for one machine.

    objects/clips/H/R.mp4           the data of the object `clips/H/R.mp4`
    objects/clips/H/R.mp4@.json     its record: version, size, type, metadata
    objects/ha/main/lease.json@.json    a small object: the record holds the data too
    signing.key, lock, tmp/

An object exists when its record is there and, for one that has it, the data file in the record's size. Both
come into their places by rename(2), never written in place, under a lock that excludes other threads and
processes and that a dead holder gives up by dying:

- `create` brings the data to the disk, then the record, then renames the data into its place. A crash, a
  power cut included, leaves at most a record without data: no object, and the next `create` replaces it.
- `replace` is one rename of the record, which holds the data.
- `delete` takes the data away, then the record.

`@` is no character of a key, so records, data and folders never meet under one name. Readers take no lock.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from clipping.clock import Clock, SystemClock
from clipping.errors import ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.filesystem import locked, make_folders, network_type, sync_file, sync_folder
from clipping.store.links import LinkSigner
from clipping.store.port import MAX_SMALL_OBJECT, ObjectInfo, Page, SignedUrl, check_key
from clipping.store.record import Record

_RECORD = "@.json"
_LOCK_SECONDS = 4.0
_READ_TRIES = 5
MOUNTS = Path("/proc/self/mountinfo")
_LEFTOVER_SECONDS = 24 * 3600.0


class LocalStore:
    """Objects in the folder `path`; download links at `public_url`, which the API serves.

    `create` takes its source over, without a copy, when it is on the same file system. Give the folder to one
    user, or a group: files keep the owner and the mode that they come with.
    """

    def __init__(
        self,
        path: Path,
        *,
        public_url: str,
        prefix: str = "",
        clock: Clock | None = None,
        mounts: Path = MOUNTS,
    ) -> None:
        self._clock = clock or SystemClock()
        self._prefix = prefix
        with _failing_as(f"open the folder {path}"):
            path.mkdir(parents=True, exist_ok=True)
            root = path.resolve()
            self._objects, self._temporary, self._lock = root / "objects", root / "tmp", root / "lock"
            make_folders(self._objects, root)
            make_folders(self._temporary, root)
            self._remove_leftovers()
            self._network = network_type(root, mounts.read_text(errors="replace"))
            self._signer = LinkSigner(root / "signing.key", public_url)

    @property
    def network(self) -> str | None:
        """The type of the network file system that the folder is on; None when it is on a local one."""
        return self._network

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        place = self._place(key)
        size = source.stat().st_size
        record = Record(_new_version(), size, content_type, self._now(), dict(metadata))
        with _failing_as(f"create {key}"):
            self._refuse_existing(key, place)
            with self._brought_here(source) as data, locked(self._lock, _LOCK_SECONDS):
                self._refuse_existing(key, place)
                make_folders(place.parent, self._objects)
                self._write(place, record)
                os.rename(data, place)
                sync_folder(place.parent)
        return record.info(key)

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if len(data) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(data)} bytes are too many for a small object")
        place = self._place(key)
        record = Record(_new_version(), len(data), "application/json", self._now(), {}, data)
        with _failing_as(f"write {key}"), self._coordinated():
            self._expect(key, self._read(place), expected)
            make_folders(place.parent, self._objects)
            self._write(place, record)
            sync_folder(place.parent)
            _remove_data(place)  # if it was a clip
        return record.info(key)

    def stat(self, key: str) -> ObjectInfo | None:
        place = self._place(key)
        with _failing_as(f"look up {key}"):
            record = self._read(place)
        return record.info(key) if record else None

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        place = self._place(key)
        with _failing_as(f"read {key}"):
            for _ in range(_READ_TRIES):
                record = self._read(place)
                if record is None:
                    return None
                if record.size > MAX_SMALL_OBJECT:
                    raise ValueError(f"{key}: {record.size} bytes are too many for a small object")
                data = record.data if record.data is not None else _bytes_of(place)
                if data is not None and self._read(place) == record:
                    return data, record.info(key)
        raise StoreUnavailable(f"Could not read {key}: it changes faster than it can be read.")

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        after = "" if cursor is None else self._prefix + cursor
        found: list[ObjectInfo] = []
        with _failing_as(f"list {prefix}"):
            for name in _keys(self._objects, "", self._prefix + prefix, after):
                record = self._read(self._objects / name)
                if record is None:
                    continue
                if len(found) == limit:
                    return Page(tuple(found), found[-1].key)
                found.append(record.info(name.removeprefix(self._prefix)))
        return Page(tuple(found), None)

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        place = self._place(key)
        with _failing_as(f"delete {key}"), self._coordinated():
            record = self._read(place)
            if record is None:
                return False
            if expected is not None:
                self._expect(key, record, expected)
            _remove_data(place)
            sync_folder(place.parent)
            _record_of(place).unlink()
            sync_folder(place.parent)
        return True

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        # Whole seconds, as the link carries them: `expires_at` is exactly what is checked.
        expires_at = (self._clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)
        url = self._signer.url(check_key(key), filename=filename, expires=int(expires_at.timestamp()))
        return SignedUrl(url, expires_at)

    def verify_signature(self, key: str, expires: int, filename: str, signature: str, now: datetime) -> None:
        """For the API, before it serves a link. Raises `Forbidden`, `Expired` or `SigningUnavailable`."""
        self._signer.verify(key, expires, filename, signature, now)

    def open_object(self, key: str) -> tuple[Path, ObjectInfo] | None:
        """For the API: the file to serve, and what is known of it; None when there is no such clip."""
        place = self._place(key)
        with _failing_as(f"open {key}"):
            record = self._read(place)
        return None if record is None or record.data is not None else (place, record.info(key))

    def server_time(self) -> datetime:
        return self._clock.now()

    def uri(self, key: str) -> str:
        return self._place(key).as_uri()

    def path_name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _now(self) -> datetime:
        """In milliseconds, as records write it."""
        now = self._clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _place(self, key: str) -> Path:
        """Where the data is. Raises `StoreUnavailable` when a symbolic link leads out of the store."""
        place = self._objects / self.path_name(key)
        if place.resolve() != place:
            raise StoreUnavailable(
                f"{place} is, or is behind, a symbolic link: the local store follows none."
            )
        return place

    def _read(self, place: Path) -> Record | None:
        """The object's record; None when there is no object."""
        try:
            record = Record.from_json(_record_of(place).read_bytes())
            if record.data is None:
                found = place.lstat()
                if not stat.S_ISREG(found.st_mode) or found.st_size != record.size:
                    return None
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise StoreUnavailable(f"{_record_of(place)} is damaged: {error}") from None
        return record

    def _refuse_existing(self, key: str, place: Path) -> None:
        if self._read(place) is not None:
            raise ObjectExists(f"{key} exists already.")
        if place.is_dir():
            raise StoreUnavailable(f"Could not create {key}: there are objects below it, so it is a folder.")

    def _write(self, place: Path, record: Record) -> None:
        temporary = self._temporary / secrets.token_hex(12)
        temporary.write_bytes(record.to_json())
        sync_file(temporary)
        os.rename(temporary, _record_of(place))

    @contextmanager
    def _brought_here(self, source: Path) -> Iterator[Path]:
        """The source itself when a rename can take it, else a copy of it; on the disk, not in a cache."""
        if self._can_take(source):
            sync_file(source)
            yield source
            return
        copy = self._temporary / secrets.token_hex(12)
        try:
            shutil.copyfile(source, copy)
            sync_file(copy)
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _can_take(self, source: Path) -> bool:
        """Whether a rename can bring the file here.

        Tried with a link, as device numbers do not tell: two bind mounts of one file system, such as systemd
        makes for the paths that a service may write, have the same and refuse all the same.
        """
        probe = self._temporary / secrets.token_hex(12)
        try:
            os.link(source, probe)
        except OSError:
            return False
        probe.unlink()
        return True

    @contextmanager
    def _coordinated(self) -> Iterator[None]:
        if self._network is not None:
            raise StoreUnavailable(
                f"{self._objects.parent} is on a network file system ({self._network}), where locks can't be "
                "trusted. Put storage.path on a local disk, or use a bucket."
            )
        with locked(self._lock, _LOCK_SECONDS):
            yield

    def _expect(self, key: str, record: Record | None, expected: str | None) -> None:
        if (record.version if record else None) != expected:
            raise VersionMismatch(f"{key} has another version than the expected one.")

    def _remove_leftovers(self) -> None:
        """What a crash left behind long ago; younger files may be somebody's work."""
        for path in self._temporary.iterdir():
            if path.lstat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)


def _remove_data(place: Path) -> None:
    if place.is_file():  # it may be the folder of other objects
        place.unlink()


def _bytes_of(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _record_of(place: Path) -> Path:
    return place.with_name(place.name + _RECORD)


def _new_version() -> str:
    """Random: one that was deleted never comes again."""
    return secrets.token_hex(8)


def _keys(folder: Path, above: str, prefix: str, after: str) -> Iterator[str]:
    """The keys in `folder`, named `above`, that begin with `prefix` and come after `after`, in order."""
    with os.scandir(folder) as entries:
        # A folder sorts as "name/", or `a/b` would come before `a.b` and pages would skip keys.
        names = sorted(
            above
            + (entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name.removesuffix(_RECORD))
            for entry in entries
            if entry.is_dir(follow_symlinks=False) or entry.name.endswith(_RECORD)
        )
    for name in names:
        if name.endswith("/"):
            if name.startswith(prefix[: len(name)]) and name >= after[: len(name)]:
                yield from _keys(folder / name[len(above) : -1], name, prefix, after)
        elif name.startswith(prefix) and name > after:
            yield name


@contextmanager
def _failing_as(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"Could not {action}: {error.strerror or error}.") from error
