"""State that survives restarts: the highest epoch that was read, and the agent's earlier processes."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from clipping.clock import Clock
from clipping.errors import ConfigurationError, StoreUnavailable
from clipping.log import get_logger
from health.lease.calls import Calls, Slot

log = get_logger(__name__)

INSTANCES = 16
SAVE_SECONDS = 60.0
RETRY_SECONDS = 10.0
"""How soon a failed save is retried."""
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class PersistedState:
    """`instances`: of the processes that used this state, the newest last."""

    epoch: int = 0
    instances: tuple[str, ...] = ()

    def with_instance(self, instance: str) -> PersistedState:
        return replace(self, instances=(*self.instances, instance)[-INSTANCES:])


class StateStorage(Protocol):
    """Used by one process at a time: the one with the lock on the state directory."""

    def load(self) -> PersistedState: ...

    def save(self, state: PersistedState) -> None:
        """Replace the saved state. Raises OSError."""
        ...


class StateFile:
    """`cluster.json` in the state directory, replaced atomically."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "cluster.json"

    def load(self) -> PersistedState:
        """The saved state; an empty one, with a warning, when the file is damaged (a power cut)."""
        try:
            saved = json.loads(self._path.read_bytes())
            return PersistedState(int(saved["epoch"]), tuple(map(str, saved["instances"])))
        except FileNotFoundError:
            return PersistedState()
        except OSError as error:
            raise ConfigurationError([f"agent.state_dir: {self._path}: {error.strerror}"]) from None
        except (ValueError, KeyError, TypeError) as error:
            log.warning("cluster.state_file_damaged", path=str(self._path), error=str(error))
            return PersistedState()

    def save(self, state: PersistedState) -> None:
        new = self._path.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"epoch": state.epoch, "instances": state.instances}, file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._path)


class StateSaver:
    """Keeps the saved state up to date, without blocking on the disk."""

    def __init__(self, storage: StateStorage, instance: str, *, calls: Calls, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._slot: Slot[None] = Slot(calls, clock, SAVE_SECONDS)
        saved = storage.load()
        self.epoch = saved.epoch
        """The highest that was saved, or is being saved."""
        self.predecessors = frozenset(saved.instances) - {instance}
        self._state = saved.with_instance(instance)
        # Before the first lease is acquired: the next process on this directory must know this instance.
        self._unsaved, self._retry_at = False, clock.monotonic()
        try:
            storage.save(self._state)
        except OSError as error:
            if error.errno in FULL:
                # Not fatal: a next process that does not know this instance waits until its lease expires.
                self._failed(error)
                return
            raise ConfigurationError([f"agent.state_dir: can't be written: {error.strerror}"]) from None

    def save_epoch(self, epoch: int) -> None:
        """Save the highest epoch that was read, if it is higher than before, or if the last save failed."""
        if self._slot.ready():
            try:
                self._slot.take()
            except (OSError, StoreUnavailable) as error:
                self._failed(error)
        if self._slot.busy:
            return
        if epoch > self.epoch or (self._unsaved and self._clock.monotonic() >= self._retry_at):
            self.epoch, self._unsaved = max(epoch, self.epoch), False
            self._state = state = replace(self._state, epoch=self.epoch)
            self._slot.submit("state", lambda: self._storage.save(state))

    def _failed(self, error: Exception) -> None:
        log.warning("cluster.state_file_not_saved", error=str(error))
        self._unsaved, self._retry_at = True, self._clock.monotonic() + RETRY_SECONDS
