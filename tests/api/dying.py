"""`clipping-api`, which kills itself at one point of accepting a request.

    python -m tests.api.dying POINT FILE serve …

The process stops at the point until the file exists, and then ends by SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from api.cli import main
from api.db.durable import SharedFlush
from api.messaging.outbox_publisher import OutboxPublisher
from clipping.bus.publisher import Publisher

BEFORE_COMMIT = "before the commit"
BEFORE_FLUSH = "before the flush"
BEFORE_ANSWER = "before the answer"
BEFORE_PUBLISH = "before the publish"
BEFORE_REMOVAL = "before the removal"
BEFORE_REMOVAL_IS_COMMITTED = "before the removal is committed"


def reached(file: Path) -> Path:
    """Exists once the process is at the point."""
    return file.with_suffix(".reached")


def die(file: Path) -> None:
    """Wait for the file, and end."""
    reached(file).touch()
    while not file.exists():
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)


def install(point: str, file: Path) -> None:
    """Make the process die at the point."""

    def before(owner: type, name: str) -> None:
        wrapped: Callable[..., Any] = getattr(owner, name)

        def wrapper(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread().name in ("committer", "outbox"):
                die(file)
            return wrapped(*arguments, **named)

        setattr(owner, name, wrapper)

    def before_commit(thread: str) -> None:
        @event.listens_for(Engine, "commit")
        def commit(_connection: object) -> None:
            if threading.current_thread().name == thread:
                die(file)

    match point:
        case "before the commit":
            before_commit("committer")
        case "before the flush":
            before(SharedFlush, "wait")
        case "before the answer":
            before(OutboxPublisher, "publish_soon")
        case "before the publish":
            before(Publisher, "publish_all")
        case "before the removal":
            before(OutboxPublisher, "_remove_published")
        case "before the removal is committed":
            before_commit("outbox")
        case _:
            raise SystemExit(f"unknown point: {point}")


if __name__ == "__main__":
    install(sys.argv[1], Path(sys.argv[2]))
    sys.exit(main(sys.argv[3:]))
