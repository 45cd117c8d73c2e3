"""Counts the clips that this agent completed in the last 24 hours, across restarts."""

from __future__ import annotations

import os
import struct
import threading
from pathlib import Path

from clipping.clock import Clock
from clipping.log import get_logger

log = get_logger(__name__)

FILE = "completed.tally"
STEP_SECONDS = 60.0
"""Resolution: clips of one minute share a count."""
STEPS = 24 * 60
_SLOT = struct.Struct("<II")
"""A minute since 1970, and its count."""


class CompletedCounter:
    """A ring of one slot per minute, kept in `state_dir`. Thread-safe; the caller has locked that folder.

    A slot names its minute, so an old or damaged one is recognised. A clip costs one write of eight bytes,
    without a flush: a killed process loses nothing, and a power cut loses the last seconds, not the rest.
    """

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._slots = [(0, 0)] * STEPS
        self._file: int | None = None
        try:
            self._file = self._open(state_dir / FILE)
        except OSError as error:
            self._broken(error)

    def add(self) -> None:
        """Count a completed clip."""
        now = self._step()
        place = now % STEPS
        with self._lock:
            step, count = self._slots[place]
            self._slots[place] = now, count + 1 if step == now else 1
            if self._file is None:
                return
            try:
                os.pwrite(self._file, _SLOT.pack(*self._slots[place]), place * _SLOT.size)
            except OSError as error:
                self._broken(error)

    def total(self) -> int:
        """The clips of the last 24 hours."""
        now = self._step()
        with self._lock:
            return sum(count for step, count in self._slots if now - STEPS < step <= now)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
            self._file = None

    def _step(self) -> int:
        # Wall time, as the monotonic clock does not survive a restart of the machine.
        return int(self._clock.now().timestamp() // STEP_SECONDS)

    def _open(self, path: Path) -> int:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = STEPS * _SLOT.size
        kept = os.pread(file, size, 0)
        slots = list(_SLOT.iter_unpack(kept)) if len(kept) == size else self._slots
        self._slots = [slot if slot[0] % STEPS == place else (0, 0) for place, slot in enumerate(slots)]
        # Allocated in full, so that a slot can be written when the disk is full later.
        os.ftruncate(file, size)
        os.pwrite(file, b"".join(_SLOT.pack(*slot) for slot in self._slots), 0)
        return file

    def _broken(self, error: OSError) -> None:
        log.warning(
            "tally.not_kept", error=str(error), hint="completed_clips_24h starts at 0 after a restart"
        )
        if self._file is not None:
            os.close(self._file)
        self._file = None
