"""A folder as an object store, for one machine.

    objects/clips/H/R.mp4               the data of the object `clips/H/R.mp4`
    objects/clips/H/R.mp4@/1            its record: version, size, type, metadata
    objects/ha/main/lease.json@/41, 42  versions of a small object: the record holds the data too
    signing.key, tmp/

An object exists when the newest version in its folder says so and, for a clip, the data file has the size in
the record. No call takes a lock: a process that is stopped or slow at any point does not delay others.

- `create` prepares a folder with the record and the data in `tmp/`, flushes it and renames it to `R.mp4@`,
  which succeeds only if there is no object. Then it moves the data to `R.mp4`; if it dies before that, a
  reader moves it. A crash or a power failure leaves at most a folder in `tmp/`, which is removed when the
  store is opened.
- `replace` and `delete` write a new version with link(2): see `versions.py`.

The previous version kept the record in `R.mp4@.json`, beside the data, and replaced it under a lock. Such
objects are read, and moved into a folder when they are first written. Stop every process of the previous
version before the first one of this version starts: they don't see each other's leases.

Keys can't contain `@`, so the names of records, data and folders never collide.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

from clipping.clock import Clock, SystemClock
from clipping.errors import (
    AlreadyUploaded,
    InvalidRequest,
    NoSpace,
    ObjectExists,
    StoreUnavailable,
    VersionMismatch,
)
from clipping.store.filesystem import make_folders, network_type
from clipping.store.links import LinkSigner
from clipping.store.objects import Objects, new_version
from clipping.store.port import MAX_SMALL_OBJECT, ObjectInfo, Page, SignedUrl, UploadTarget, check_key
from clipping.store.record import Record
from clipping.store.staging import Staging

_READ_TRIES = 5
OBJECTS = "objects"
"""The folder of the data, below the store's."""
MOUNTS = Path("/proc/self/mountinfo")
_UPLOADED = "this URL was used: what it uploaded is kept, and a URL takes one file"


class LocalStore:
    """Objects in the folder `path`; download links at `public_url`, which the API serves.

    `create` links its source instead of copying it when it is on the same file system. One user or group must
    own the folder: files keep their owner and mode.
    """

    def __init__(
        self,
        path: Path,
        *,
        public_url: str,
        prefix: str = "",
        below: str = "",
        min_free_bytes: int = 0,
        clock: Clock | None = None,
        mounts: Path = MOUNTS,
    ) -> None:
        """`below`: a place below `prefix`, of a caller. Links state it, so that a store without it serves and
        verifies the links of all places. `min_free_bytes`: what uploads leave free."""
        self._clock = clock or SystemClock()
        self._prefix, self._below = prefix + below, below
        self._min_free_bytes = min_free_bytes
        with _failing_as(f"open the folder {path}"):
            path.mkdir(parents=True, exist_ok=True)
            self._root = path.resolve()
            self._folder, temporary = self._root / OBJECTS, self._root / "tmp"
            make_folders(self._folder, self._root)
            make_folders(temporary, self._root)
            self._network = network_type(self._root, mounts.read_text(errors="replace"))
            self._staging = Staging(temporary, locks=self._network is None)
            self._staging.remove_abandoned()
            if self._network is None and not self._staging.links_work():
                raise StoreUnavailable(
                    f"storage.path: {path} is on a file system without hard links: use ext4, XFS, Btrfs or "
                    "tmpfs, or a bucket"
                )
            self._objects = Objects(self._folder, self._staging)
            self._signer = LinkSigner(self._root / "signing.key", public_url)

    @property
    def network(self) -> str | None:
        """The type of the network file system that contains the folder; None for a local file system."""
        return self._network

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        place = self._place(key)
        record = Record(new_version(), 0, content_type, self._now(), dict(metadata))
        with _failing_as(f"create {key}"):
            if place.is_dir():
                raise StoreUnavailable(f"Could not create {key}: it is a folder that contains other objects.")
            # Checked before the data is copied, which can take long.
            created = None if self._objects.find(place) else self._objects.create(place, record, source)
        if created is None:
            raise ObjectExists(f"{key} exists already.")
        return created.info(key)

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if len(data) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(data)} bytes are too many for a small object")
        place = self._place(key)
        record = Record(new_version(), len(data), "application/json", self._now(), {}, data)
        self._refuse_network()
        with _failing_as(f"write {key}"):
            if expected is None:
                written = self._objects.create(place, record) is not None
            else:
                written = self._objects.replace(place, record, expected)
        if not written:
            raise _mismatch(key)
        return record.info(key)

    def stat(self, key: str) -> ObjectInfo | None:
        place = self._place(key)
        with _failing_as(f"look up {key}"):
            record = self._objects.find(place)
        return record.info(key) if record else None

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        place = self._place(key)
        with _failing_as(f"read {key}"):
            for _ in range(_READ_TRIES):
                record = self._objects.find(place)
                if record is None:
                    return None
                if record.size > MAX_SMALL_OBJECT:
                    raise ValueError(f"{key}: {record.size} bytes are too many for a small object")
                data = record.data if record.data is not None else _bytes_of(place)
                if data is not None and (record.data is not None or self._objects.find(place) == record):
                    return data, record.info(key)
        raise StoreUnavailable(f"Could not read {key}: it changes faster than it can be read.")

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        place = self._place(key)
        with _failing_as(f"download {key}"):
            for _ in range(_READ_TRIES):
                record = self._objects.find(place)
                if record is None:
                    return None
                if record.data is not None:
                    target.write_bytes(record.data)
                    return record.info(key)
                with suppress(FileNotFoundError):
                    with place.open("rb") as source, target.open("wb") as copy:
                        shutil.copyfileobj(source, copy)
                    if self._objects.find(place) == record:
                        return record.info(key)
        raise StoreUnavailable(f"Could not download {key}: it changes faster than it can be read.")

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        after = "" if cursor is None else self._prefix + cursor
        found: list[ObjectInfo] = []
        with _failing_as(f"list {prefix}"):
            for name in self._objects.keys(self._prefix + prefix, after):
                record = self._objects.find(self._folder / name)
                if record is None:
                    continue
                if len(found) == limit:
                    return Page(tuple(found), found[-1].key)
                found.append(record.info(name.removeprefix(self._prefix)))
        return Page(tuple(found), None)

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        place = self._place(key)
        self._refuse_network()
        with _failing_as(f"delete {key}"):
            deleted = self._objects.delete(place, expected)
        if deleted is None:
            raise _mismatch(key)
        return deleted

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        # Whole seconds, as the link carries them: `expires_at` is exactly what is checked.
        expires_at = (self._clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)
        url = self._signer.url(
            self._below + check_key(key), filename=filename, expires=int(expires_at.timestamp())
        )
        return SignedUrl(url, expires_at)

    def verify_signature(self, key: str, expires: int, filename: str, signature: str, now: datetime) -> None:
        """Verify a link before the API serves it. Raises `Forbidden`, `Expired` or `SigningUnavailable`."""
        self._signer.verify(key, expires, filename, signature, now)

    def sign_upload(
        self, key: str, *, size: int, content_type: str, seconds: float, origin: str | None = None
    ) -> UploadTarget:
        expires_at = (self._clock.now() + timedelta(seconds=seconds)).replace(microsecond=0)
        name, expires = self.path_name(key), int(expires_at.timestamp())
        url = self._signer.upload_url(name, size=size, content_type=content_type, expires=expires)
        return UploadTarget(url, {"Content-Type": content_type}, expires_at)

    def verify_upload(
        self, name: str, expires: int, size: int, content_type: str, signature: str, now: datetime
    ) -> None:
        """Verify the URL of an upload before the API receives it. Raises as `verify_signature`."""
        self._signer.verify_upload(name, expires, size, content_type, signature, now)

    def receive(self, name: str, read: Callable[[int], bytes], *, size: int, content_type: str) -> ObjectInfo:
        """Store an upload: exactly `size` bytes, as `read` gives them. `name` is the object's whole name,
        from a URL that was verified, with the prefix of whichever caller it is.

        Raises `AlreadyUploaded`, `InvalidRequest` when fewer or more bytes come, `NoSpace` and
        `StoreUnavailable`. Nothing is stored then.
        """
        place = self._place_of(check_key(name))
        record = Record(new_version(), size, content_type, self._now(), {})

        def checked(most: int) -> bytes:
            self._check_room(0)  # others write, too
            return read(most)

        with _failing_as(f"receive {name}"), _out_of_space():
            if self._objects.find(place):
                raise AlreadyUploaded(_UPLOADED)
            self._check_room(size)
            with self._staging.received(new_version(), checked, size) as path:
                found = path.stat().st_size
                if found != size:
                    raise InvalidRequest(
                        f"the upload must have {size} bytes, as announced"
                        + (f", but ended after {found}: send it again" if found < size else "")
                    )
                created = self._objects.create(place, record, path)
        if created is None:
            raise AlreadyUploaded(_UPLOADED)
        return created.info(name)

    def _check_room(self, more: int) -> None:
        """Leases, and often the database, are on the same disk: an upload must not fill it."""
        if shutil.disk_usage(self._root).free - more < self._min_free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def tidy(self) -> None:
        """Remove what writers left behind that have died, such as the beginning of an upload."""
        with _failing_as(f"tidy {self._root}"):
            self._staging.remove_abandoned()

    def open_object(self, key: str) -> tuple[Path, ObjectInfo] | None:
        """The file for the API to serve, and its description; None when there is no such clip."""
        place = self._place(key)
        with _failing_as(f"open {key}"):
            record = self._objects.find(place)
        return None if record is None or record.data is not None else (place, record.info(key))

    def server_time(self) -> datetime:
        return self._clock.now()

    def uri(self, key: str) -> str:
        return self._place(key).as_uri()

    def path_name(self, key: str) -> str:
        return self._prefix + check_key(key)

    def _now(self) -> datetime:
        """The time rounded down to milliseconds, as in records."""
        now = self._clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def _place(self, key: str) -> Path:
        """The path of the data. Raises `StoreUnavailable` when it contains a symbolic link."""
        return self._place_of(self.path_name(key))

    def _place_of(self, name: str) -> Path:
        place = self._folder / name
        if place.resolve() != place:
            raise StoreUnavailable(
                f"{place} is or contains a symbolic link, which the local store does not follow."
            )
        return place

    def _refuse_network(self) -> None:
        if self._network is not None:
            raise StoreUnavailable(
                f"{self._root} is on a network file system ({self._network}), which is not safe for leases: "
                "put storage.path on a local disk, or use a bucket"
            )


def _mismatch(key: str) -> VersionMismatch:
    return VersionMismatch(f"{key} has another version than the expected one.")


def _bytes_of(place: Path) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _out_of_space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(
                "there is no room for this upload in the store: free space in storage.path, then repeat it"
            ) from error
        raise


@contextmanager
def _failing_as(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"Could not {action}: {error.strerror or error}.") from error
