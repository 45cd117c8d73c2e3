"""What an agent remembers over restarts: the highest epoch it has seen, and which processes it was before."""

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
AGAIN_SECONDS = 10.0
"""How soon a save that failed is tried again."""
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Remembered:
    """`instances`: of processes that ran with this memory, the newest last."""

    epoch: int = 0
    instances: tuple[str, ...] = ()

    def with_instance(self, instance: str) -> Remembered:
        return replace(self, instances=(*self.instances, instance)[-INSTANCES:])


class Memory(Protocol):
    """Kept by one process at a time: whoever has the lock on the state directory."""

    def load(self) -> Remembered: ...

    def save(self, remembered: Remembered) -> None:
        """Keep it. Raises OSError."""
        ...


class FileMemory:
    """`cluster.json` in the state directory, replaced whole."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "cluster.json"

    def load(self) -> Remembered:
        """What was saved; nothing, with a warning, when the file is damaged (a power cut)."""
        try:
            saved = json.loads(self._path.read_bytes())
            return Remembered(int(saved["epoch"]), tuple(map(str, saved["instances"])))
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            raise ConfigurationError([f"agent.state_dir: {self._path}: {error.strerror}"]) from None
        except (ValueError, KeyError, TypeError) as error:
            log.warning("cluster.memory_damaged", path=str(self._path), error=str(error))
            return Remembered()

    def save(self, remembered: Remembered) -> None:
        new = self._path.with_suffix(".new")
        with new.open("w") as file:
            json.dump({"epoch": remembered.epoch, "instances": remembered.instances}, file)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._path)


class Diary:
    """Keeps the memory up to date, without keeping anybody waiting for the disk."""

    def __init__(self, memory: Memory, instance: str, *, calls: Calls, clock: Clock) -> None:
        self._memory, self._clock = memory, clock
        self._slot: Slot[None] = Slot(calls, clock, SAVE_SECONDS)
        kept = memory.load()
        self.epoch = kept.epoch
        """The highest that was written down."""
        self.predecessors = frozenset(kept.instances) - {instance}
        self._kept = kept.with_instance(instance)
        # Before the first lease is taken: whoever comes after us on this directory has to know our name.
        self._unsaved, self._again_at = False, clock.monotonic()
        try:
            memory.save(self._kept)
        except OSError as error:
            if error.errno in FULL:
                # No reason to end for good: a successor that does not know us waits for the end of our lease.
                self._failed(error)
                return
            raise ConfigurationError([f"agent.state_dir: can't be written: {error.strerror}"]) from None

    def note(self, epoch: int) -> None:
        """Write down the highest epoch seen, if it is news, or if it could not be written down before."""
        if self._slot.ready():
            try:
                self._slot.take()
            except (OSError, StoreUnavailable) as error:
                self._failed(error)
        if self._slot.busy:
            return
        if epoch > self.epoch or (self._unsaved and self._clock.monotonic() >= self._again_at):
            self.epoch, self._unsaved = max(epoch, self.epoch), False
            self._kept = kept = replace(self._kept, epoch=self.epoch)
            self._slot.submit("memory", lambda: self._memory.save(kept))

    def _failed(self, error: Exception) -> None:
        log.warning("cluster.memory_not_saved", error=str(error))
        self._unsaved, self._again_at = True, self._clock.monotonic() + AGAIN_SECONDS
