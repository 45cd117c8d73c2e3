"""Reads a recording's packets, and reports progress to the job's supervisor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.formats.streams import tick_of
from agent.cutting.reading.damage import Damage

_OFTEN = 256
"""Packets between two progress reports."""
_UNREADABLE = "unreadable data"
_MOST_HOLES = 1024
"""How often reading continues after data without packets."""


class _Watched:
    found: Callable[[], None] | None = None


def report_packets(found: Callable[[], None]) -> None:
    """Call `found` regularly while this process (one job) finds packets."""
    _Watched.found = found


def packets(
    container: av.container.InputContainer,
    streams: Sequence[Stream] | None = None,
    damage: Damage | None = None,
) -> Iterator[AnyPacket]:
    """The packets of some streams, or of all, in the order of the file.

    Reading goes on behind data that holds none; `damage` collects it, with the time of the last packet.
    """
    at = index = None
    count = holes = 0
    while True:
        try:
            for packet in container.demux() if streams is None else container.demux(streams):
                if count % _OFTEN == 0 and _Watched.found is not None:
                    _Watched.found()
                count += 1
                if packet.pts is not None:
                    at, index = packet.pts, packet.stream_index
                yield packet
            return
        except av.error.BlockingIOError:  # MPEG-TS: no packet within 64 KiB
            holes += 1
            if holes > _MOST_HOLES:
                raise
            if damage is not None and at is not None and index is not None:
                damage.add(at * tick_of(container.streams[index]), "the recording", _UNREADABLE)
