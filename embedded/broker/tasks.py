"""Background tasks whose failures are logged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from clipping.log import get_logger

log = get_logger(__name__)


def spawn(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run a coroutine on the loop. The caller must keep the task: the loop only has a weak reference."""
    task = asyncio.get_running_loop().create_task(coroutine, name=name)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("broker.task_failed", task=task.get_name(), error=repr(task.exception()))
