"""The configuration of a running daemon: what a reload applies at once, and what needs a restart.

A reload reads the file and the environment again. An invalid configuration changes nothing. Of a valid one
the keys in `LIVE` are applied; the others keep their values until a restart, and are listed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from clipping.config import Config, overlay, validate
from clipping.log import get_logger

log = get_logger(__name__)

LIVE = frozenset({"agent.nas_roots", "agent.min_free_bytes", "log.format", "log.level"})
OTHERS = ("api.", "limits.", "storage.retention_days", "preview.agents")
"""Keys that only the API and `provision` read, except `SHARED`: the agent ignores their changes."""
SHARED = frozenset({"limits.short_retention_hours"})


@dataclass(frozen=True)
class Reloaded:
    """The result of a reload: paths of keys."""

    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


class Settings:
    """`current` is the configuration in effect. Thread-safe."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        self.current = config
        self._load = load
        self._lock = threading.Lock()
        self._followers: list[Callable[[Config], None]] = []

    def follow(self, changed: Callable[[Config], None]) -> None:
        """`changed` is called with every new `current`, in the thread that reloads."""
        self._followers.append(changed)

    def reload(self) -> Reloaded:
        """Raises `ConfigurationError` with every problem; the previous configuration then stays in effect."""
        with self._lock:
            changes = differences(self.current, self._load())
            live = {path: value for path, value in changes.items() if path in LIVE}
            waiting = tuple(p for p in changes if p not in LIVE and (p in SHARED or not p.startswith(OTHERS)))
            if live:
                self.current = validate(overlay(self.current.model_dump(), _tree(live)))
                for changed in self._followers:
                    changed(self.current)
        log.info("config.reloaded", applied=list(live), needs_restart=list(waiting))
        return Reloaded(tuple(live), waiting)


def differences(old: Config, new: Config) -> dict[str, Any]:
    """The new values of all keys that differ, by their paths. Pure."""
    before, after = dict(_leaves(old.model_dump())), dict(_leaves(new.model_dump()))
    missing = object()
    paths = sorted(before.keys() | after.keys())
    return {path: after.get(path) for path in paths if before.get(path, missing) != after.get(path, missing)}


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield above + key, value


def _tree(leaves: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in leaves.items():
        for key in reversed(path.split(".")):
            value = {key: value}
        tree = overlay(tree, value)
    return tree
