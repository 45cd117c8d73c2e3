"""What an agent remembers over restarts: the highest epoch it has seen, and which processes it was before."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from clipping.errors import ConfigurationError
from clipping.log import get_logger

log = get_logger(__name__)

INSTANCES = 16


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
