"""Previews kept on disk, by the recording's identity and the call: bounded, the least recently used go first.

A recording that changes in any way has another identity, so that an entry never becomes wrong. An entry that
is not as it was written (half, by a power cut, or damaged) is removed and made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.cutting.formats.media import Identity
from agent.metrics import PREVIEW_CACHE, PREVIEW_CACHE_BYTES

_DIGEST_BYTES = 32
_LENGTH_BYTES = 4
_NAME_CHARACTERS = 40
_PART = ".part"


@dataclass(frozen=True)
class Made:
    """What a call resulted in: the body of a response, and what its headers say."""

    facts: Mapping[str, Any]
    """JSON."""
    data: bytes


def key_of(identity: Identity, call: str, *arguments: object) -> str:
    """What a call to a state of a recording is known by."""
    return json.dumps(
        [identity.device, identity.inode, identity.size, identity.mtime_ns, call, *map(str, arguments)]
    )


class DiskCache:
    """One folder, used by this process alone. Thread-safe. Errors of the disk are as good as no entry."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._total = 0
        with suppress(OSError):
            self._load()

    def get(self, key: str) -> Made | None:
        """What was kept under a key."""
        name = _name_of(key)
        with self._lock:
            if name not in self._sizes:
                PREVIEW_CACHE.labels("miss").inc()
                return None
            self._sizes.move_to_end(name)
        file = self._folder / name
        try:
            made = _parsed(file.read_bytes(), key)
            os.utime(file)  # the order of use survives a restart
        except (OSError, ValueError):
            self._drop(name)
            PREVIEW_CACHE.labels("damaged").inc()
            return None
        PREVIEW_CACHE.labels("hit").inc()
        return made

    def put(self, key: str, made: Made) -> None:
        """Keep it, unless it is larger than the whole cache may be."""
        content, name = _content(key, made), _name_of(key)
        if len(content) > self._limit:
            return
        part = self._folder / f"{name}.{secrets.token_hex(4)}{_PART}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._lock:
                self._make_room(len(content))
                self._total += len(content)  # other threads that write see it
            try:
                part.write_bytes(content)
                with self._lock:
                    part.rename(self._folder / name)
                    self._total -= self._sizes.pop(name, 0)
                    self._sizes[name] = len(content)
            except OSError:
                with self._lock:
                    self._total -= len(content)
                raise
        except OSError:
            with suppress(OSError):
                part.unlink()
        PREVIEW_CACHE_BYTES.set(self._total)

    def _load(self) -> None:
        """Know the entries of an earlier process, in the order of their use."""
        found = []
        for entry in os.scandir(self._folder):
            status = entry.stat(follow_symlinks=False)
            if entry.name.endswith(_PART):
                os.unlink(entry.path)
            else:
                found.append((status.st_mtime_ns, entry.name, status.st_size))
        for _, name, size in sorted(found):
            self._sizes[name] = size
            self._total += size
        self._make_room(0)
        PREVIEW_CACHE_BYTES.set(self._total)

    def _make_room(self, size: int) -> None:
        while self._sizes and self._total + size > self._limit:
            self._remove(next(iter(self._sizes)))

    def _drop(self, name: str) -> None:
        with self._lock:
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._total -= self._sizes.pop(name, 0)
        with suppress(OSError):
            (self._folder / name).unlink()


def _name_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:_NAME_CHARACTERS]


def _content(key: str, made: Made) -> bytes:
    head = json.dumps({"key": key, "facts": dict(made.facts)}).encode()
    rest = len(head).to_bytes(_LENGTH_BYTES, "big") + head + made.data
    return hashlib.sha256(rest).digest() + rest


def _parsed(content: bytes, key: str) -> Made:
    """Raises `ValueError` for a damaged entry, and for that of another key."""
    digest, rest = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if hashlib.sha256(rest).digest() != digest:
        raise ValueError("damaged")
    end = _LENGTH_BYTES + int.from_bytes(rest[:_LENGTH_BYTES], "big")
    head = json.loads(rest[_LENGTH_BYTES:end])
    if head["key"] != key:
        raise ValueError("another key's")
    return Made(head["facts"], rest[end:])
