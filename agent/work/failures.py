"""Counts the failures that a request itself causes, such as a file that crashes the encoder.

Pub/Sub counts all deliveries, also those that an outage, a stop or a killed process ended. Only failures that
the request causes may end it, so the agent counts these itself, by cause. Each agent counts separately; a
request that moves between agents ends later, at `pubsub.max_delivery_attempts` at the latest.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from clipping.errors import TransientError
from clipping.log import get_logger

log = get_logger(__name__)

FILE = "failures.json"
MOST_REQUESTS = 1000
"""The oldest are forgotten first."""


class Failures:
    """Kept in `state_dir` over restarts. Thread-safe; the caller has locked the folder."""

    def __init__(self, state_dir: Path) -> None:
        self._file = state_dir / FILE
        self._lock = threading.Lock()
        self._counts = _read(self._file)

    def exhausted(self, request_id: str, error: TransientError) -> bool:
        """Count this failure; whether the request has reached the limit for its kind."""
        if error.tries is None:
            return False
        cause = type(error).__name__
        with self._lock:
            causes = self._counts.pop(request_id, {})
            causes[cause] = causes.get(cause, 0) + 1
            self._counts[request_id] = causes
            while len(self._counts) > MOST_REQUESTS:
                del self._counts[next(iter(self._counts))]
            self._keep()
            return causes[cause] >= error.tries

    def forget(self, request_id: str) -> None:
        """The request has ended."""
        with self._lock:
            if self._counts.pop(request_id, None) is not None:
                self._keep()

    def _keep(self) -> None:
        part = self._file.with_suffix(".part")
        try:
            part.write_text(json.dumps(self._counts))
            os.replace(part, self._file)
        except OSError as error:
            log.warning("failures.not_kept", error=str(error))


def _read(file: Path) -> dict[str, dict[str, int]]:
    try:
        found = json.loads(file.read_bytes())
        return {
            str(request): {str(c): int(n) for c, n in causes.items()} for request, causes in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        log.warning("failures.not_read", error=str(error))
        return {}
