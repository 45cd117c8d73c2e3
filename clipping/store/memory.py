"""An in-memory store for tests and models, with the same rules as the other stores."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from clipping.clock import Clock, SystemClock
from clipping.errors import ObjectExists, VersionMismatch
from clipping.store.port import MAX_SMALL_OBJECT, ObjectInfo, Page, SignedUrl, UploadTarget, check_key


class MemoryStore:
    """Objects in a dictionary; time from `clock`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._objects: dict[str, tuple[bytes, ObjectInfo]] = {}
        self._writes = 0

    def create(self, key: str, source: Path, *, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        data = source.read_bytes()
        with self._lock:
            if check_key(key) in self._objects:
                raise ObjectExists(f"{key} exists already.")
            return self._put(key, data, content_type, metadata)

    def replace(self, key: str, data: bytes, *, expected: str | None) -> ObjectInfo:
        if len(data) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(data)} bytes are too many for a small object")
        with self._lock:
            self._expect(check_key(key), expected)
            return self._put(key, data, "application/json", {})

    def stat(self, key: str) -> ObjectInfo | None:
        found = self._objects.get(check_key(key))
        return found[1] if found else None

    def get(self, key: str) -> tuple[bytes, ObjectInfo] | None:
        found = self._objects.get(check_key(key))
        if found is not None and len(found[0]) > MAX_SMALL_OBJECT:
            raise ValueError(f"{key}: {len(found[0])} bytes are too many for a small object")
        return found

    def download(self, key: str, target: Path) -> ObjectInfo | None:
        found = self._objects.get(check_key(key))
        if found is None:
            return None
        target.write_bytes(found[0])
        return found[1]

    def list(self, prefix: str, *, limit: int = 1000, cursor: str | None = None) -> Page:
        with self._lock:
            keys = sorted(key for key in self._objects if key.startswith(prefix) and key > (cursor or ""))
            objects = tuple(self._objects[key][1] for key in keys[:limit])
        return Page(objects, objects[-1].key if len(keys) > limit else None)

    def delete(self, key: str, *, expected: str | None = None) -> bool:
        with self._lock:
            if check_key(key) not in self._objects:
                return False
            if expected is not None:
                self._expect(key, expected)
            del self._objects[key]
            return True

    def sign(self, key: str, *, filename: str, seconds: float) -> SignedUrl:
        expires_at = self._clock.now() + timedelta(seconds=seconds)
        words = f"expires={int(expires_at.timestamp())}&filename={quote(filename, safe='')}"
        return SignedUrl(f"{self.uri(key)}?{words}", expires_at)

    def sign_upload(
        self, key: str, *, size: int, content_type: str, seconds: float, origin: str | None = None
    ) -> UploadTarget:
        expires_at = self._clock.now() + timedelta(seconds=seconds)
        url = f"{self.uri(key)}?expires={int(expires_at.timestamp())}&size={size}"
        return UploadTarget(url, {"Content-Type": content_type}, expires_at)

    def server_time(self) -> datetime:
        return self._clock.now()

    def uri(self, key: str) -> str:
        return f"memory:///{check_key(key)}"

    def path_name(self, key: str) -> str:
        return check_key(key)

    def _put(self, key: str, data: bytes, content_type: str, metadata: Mapping[str, str]) -> ObjectInfo:
        self._writes += 1
        info = ObjectInfo(key, len(data), str(self._writes), content_type, self._clock.now(), dict(metadata))
        self._objects[key] = data, info
        return info

    def _expect(self, key: str, expected: str | None) -> None:
        found = self._objects.get(key)
        if (found[1].version if found else None) != expected:
            raise VersionMismatch(f"{key} has another version than the expected one.")
