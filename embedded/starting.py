"""Starts processes of the local stack in parallel, and reports each as it becomes ready."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from clipping.signals import Stopped, StopSignals
from embedded.child import Child, StartFailed

REMIND_SECONDS = 15.0
"""Interval at which the processes that are not ready yet are reported."""


def start_all(
    children: Sequence[Child],
    *,
    timeout: float,
    notify: Callable[[str], None],
    signals: StopSignals | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[str, bytes]:
    """Start all processes in parallel. Returns the first line that each prints, by name.

    `notify` is called with a message for each that is ready, and `meanwhile` once all are started. Raises
    `StartFailed` as soon as one exits or when one is not ready after `timeout` seconds, and `Stopped` when
    one of `signals` arrives before that."""
    began = time.monotonic()
    notify(f"starting {_names(children)}")
    for child in children:
        child.spawn()
    meanwhile()
    lines: dict[str, bytes] = {}
    waiting = list(children)
    while waiting:
        for child in _readable(waiting, began + timeout, signals):
            lines[child.name] = child.started()
            waiting.remove(child)
            notify(f"  {child.name} is ready after {time.monotonic() - began:.1f} s")
            break
        else:
            waited = time.monotonic() - began
            if waited >= timeout:
                raise StartFailed(waiting[0].failure(f"was not ready within {timeout:g} s"))
            notify(f"  still waiting for {_names(waiting)} after {waited:.0f} s")
    return lines


def _readable(waiting: Sequence[Child], deadline: float, signals: StopSignals | None) -> list[Child]:
    """The processes that are ready or have exited; none after `REMIND_SECONDS`. Raises `Stopped`."""
    seconds = max(0.0, min(REMIND_SECONDS, deadline - time.monotonic()))
    watched: list[Child | StopSignals] = [*waiting] if signals is None else [*waiting, signals]
    readable, _, _ = select.select(watched, [], [], seconds)
    if signals is not None and signals.pending():
        raise Stopped
    return [child for child in waiting if child in readable]


def _names(children: Sequence[Child]) -> str:
    return ", ".join(child.name for child in children)
