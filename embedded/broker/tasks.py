"""Background tasks whose failure is told, and not found out by what no longer happens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from clipping.log import get_logger

log = get_logger(__name__)


def spawn(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run it on the loop; the caller keeps the task, as the loop holds it weakly."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("broker.task_failed", task=task.get_name(), error=repr(task.exception()))
