"""What cuts and previews have found out about recordings: their durations and codecs."""

from __future__ import annotations

import threading

from agent.cutting.cache import Cache, name_of
from agent.cutting.formats.media import Identity

Facts = tuple[float | None, tuple[str, ...]]
"""Duration in seconds, and codecs."""


class KnownRecordings:
    """Thread-safe. It remembers what is in the cache, and nothing else."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._names: frozenset[str] = frozenset()
        self._facts: dict[str, Facts | None] = {}

    def refresh(self) -> None:
        """Look which recordings are known: before a scan."""
        names = self._cache.known()
        with self._lock:
            self._names = names
            # A scan that hung goes on reading meanwhile, and adds to them.
            self._facts = {name: facts for name, facts in self._facts.copy().items() if name in names}

    def of(self, identity: Identity) -> Facts | None:
        """None: nothing was found out about it, in this state."""
        names, facts = self._names, self._facts
        if not names or (name := name_of(identity)) not in names:
            return None
        if name not in facts:
            facts[name] = self._read(name)
        return facts[name]

    def _read(self, name: str) -> Facts | None:
        info = self._cache.peek(name)
        if info is None:
            return None
        # Six digits, as a time base may be anything.
        duration = None if info.duration is None else round(float(info.duration), 6)
        return duration, tuple(info.played_codecs)
