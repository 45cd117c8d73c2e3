"""Finds a recording for the examples of the documentation page, if only this machine can open it."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from urllib.parse import urlsplit

from clipping.config import Config

WAIT_SECONDS = 1.0
"""How long a page waits for a folder that does not respond."""
MOST_ENTRIES = 1000
DEEPEST = 3
_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".ts", ".m2ts", ".mts", ".mpg", ".avi", ".flv", ".webm"})
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Recordings:
    """Finds one recording below `roots`. A hanging folder blocks at most one thread."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = roots
        self._lock = threading.Lock()
        self._search: threading.Thread | None = None
        self._found: str | None = None

    def example(self) -> str | None:
        """The path of an existing recording, or a fictitious one below a root; None without a root."""
        if not self._roots:
            return None
        with self._lock:
            if self._search is None or not self._search.is_alive():
                self._search = threading.Thread(target=self._look, name="docs-example", daemon=True)
                self._search.start()
            search = self._search
        search.join(WAIT_SECONDS)
        return self._found or f"{self._roots[0].rstrip('/')}/recording.mp4"

    def _look(self) -> None:
        self._found = next((path for root in self._roots for path in _recordings(root)), None)


def recordings_of(config: Config) -> Recordings:
    """Those of the configured roots, if only this machine reaches the service: the page needs no key, and
    the names of recordings are not for everyone."""
    local = urlsplit(config.api.public_url).hostname in _LOOPBACK and config.api.host in _LOOPBACK
    return Recordings([root.path for root in config.agent.nas_roots] if local else [])


def _recordings(root: str) -> Iterator[str]:
    """Paths below the root, the nearest first, in alphabetical order in each folder."""
    folders, left = deque([(root, 1)]), MOST_ENTRIES
    while folders:
        folder, depth = folders.popleft()
        try:
            with os.scandir(folder) as entries:
                seen = sorted((entry for entry, _ in zip(entries, range(left), strict=False)), key=_name)
        except OSError:
            continue
        left -= len(seen)
        for entry in seen:
            if entry.name.startswith("."):
                continue
            if entry.is_file(follow_symlinks=False) and PurePath(entry.name).suffix.lower() in _SUFFIXES:
                yield entry.path
            elif depth < DEEPEST and entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, depth + 1))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
