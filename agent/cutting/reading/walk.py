"""Checks a recording's packets for damage while they are read for a clip."""

from __future__ import annotations

from fractions import Fraction

import av.container

from agent.cutting.formats.packets import AnyPacket
from agent.cutting.formats.payload import NO_FRAME, Check, check_for
from agent.cutting.formats.streams import context_of
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.damage import Damage, stream_name
from agent.cutting.reading.seek import tick_from, tick_upto

_INCOMPLETE = "lost or changed packets"
_BACKWARD = "timestamps that go backward"
_NEVER = -(2**63)
_TIMED = frozenset({"mpegts", "mpeg"})
"""Containers whose packets have decoding times and counters, which both can be wrong."""


class Walk:
    """The packets of a plan's streams, in the order of reading."""

    def __init__(
        self,
        container: av.container.InputContainer,
        plan: Plan,
        damage: Damage,
        since: Fraction | None = None,
    ) -> None:
        """`since`: seconds before which nothing goes into the clip."""
        self._damage = damage
        self._timed = container.format.name in _TIMED
        infos = [plan.video_stream, *(track.source for track in plan.tracks)]
        self._names = {info.index: stream_name(info) for info in infos}
        self._checks: dict[int, Check | None] = {}
        self._last: dict[int, int] = {}
        self._since = {i.index: _NEVER if since is None else tick_upto(since, i.time_base) for i in infos}
        self._until = {i.index: tick_from(plan.stop, i.time_base) for i in infos}
        for info in infos:
            context = context_of(container.streams[info.index])
            self._checks[info.index] = check_for(info.codec, context.extradata if context else None)

    def restart(self) -> None:
        """Discard the findings so far: they lie before the clip."""
        self._damage.clear()

    def see(self, packet: AnyPacket) -> None:
        """The next packet that goes into the clip, or that its frames need."""
        index, pts = packet.stream_index, packet.pts
        name = self._names.get(index)
        if name is None or pts is None or packet.size == 0:
            return
        if not self._since[index] <= pts < self._until[index]:
            return
        check = self._checks[index]
        why = check(memoryview(packet)) if check else None
        if why is not None and (why != NO_FRAME or index in self._last):  # a seek may truncate the first
            self._damage.add(pts * packet.time_base, name, why)
        if self._timed and packet.dts is not None:
            if packet.dts < self._last.get(index, packet.dts):
                self._damage.add(pts * packet.time_base, name, _BACKWARD)
            self._last[index] = packet.dts
        else:
            self._last[index] = pts
        if packet.is_corrupt:
            report = self._damage.flag if self._timed else self._damage.add
            report(pts * packet.time_base, name, _INCOMPLETE)
        elif self._timed:
            self._damage.good(name)
