"""Reading a recording's packets, in sight of whoever watches the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import av.container

_OFTEN = 256
"""Packets between two signs of life."""


class _Watched:
    found: Callable[[], None] | None = None


def report_packets(found: Callable[[], None]) -> None:
    """Have `found` called now and then while this process, which is one job's, finds packets."""
    _Watched.found = found


def packets(container: av.container.InputContainer, streams: Any = None) -> Iterator[Any]:
    """The packets of some streams, or of all, in the order of the file."""
    for count, packet in enumerate(container.demux() if streams is None else container.demux(streams)):
        if count % _OFTEN == 0 and _Watched.found is not None:
            _Watched.found()
        yield packet
