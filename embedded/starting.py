"""Starts processes of the local stack side by side, and reports each as it becomes ready."""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence

from clipping.signals import Stopped, StopSignals
from embedded.child import Child, StartFailed

REMIND_SECONDS = 15.0
"""After this time without a change, what has not started yet is shown."""


def start_all(
    children: Sequence[Child],
    *,
    timeout: float,
    told: Callable[[str], None],
    signals: StopSignals | None = None,
) -> dict[str, bytes]:
    """Start all of them at once; the first line that each prints, by its name.

    `told` gets a sentence for each that is ready. Raises `StartFailed` as soon as one ends or when one is not
    ready after `timeout` seconds, and `Stopped` when one of `signals` arrives before that.
    """
    began = time.monotonic()
    told(f"starting {_names(children)}")
    for child in children:
        child.spawn()
    lines: dict[str, bytes] = {}
    waiting = list(children)
    while waiting:
        for child in _readable(waiting, began + timeout, signals):
            lines[child.name] = child.started()
            waiting.remove(child)
            told(f"  {child.name} is ready after {time.monotonic() - began:.1f} s")
            break
        else:
            waited = time.monotonic() - began
            if waited >= timeout:
                raise StartFailed(waiting[0].failure(f"was not ready within {timeout:g} s"))
            told(f"  still waiting for {_names(waiting)} after {waited:.0f} s")
    return lines


def _readable(waiting: Sequence[Child], deadline: float, signals: StopSignals | None) -> list[Child]:
    """Those that are ready or have ended; none after `REMIND_SECONDS`. Raises `Stopped`."""
    seconds = max(0.0, min(REMIND_SECONDS, deadline - time.monotonic()))
    watched: list[Child | StopSignals] = [*waiting] if signals is None else [*waiting, signals]
    readable, _, _ = select.select(watched, [], [], seconds)
    if signals is not None and signals.pending():
        raise Stopped
    return [child for child in waiting if child in readable]


def _names(children: Sequence[Child]) -> str:
    return ", ".join(child.name for child in children)
