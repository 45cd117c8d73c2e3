"""The stream copy: packets go over untouched, from the keyframe at or before the in-point.

The lead-in before the in-point is shown, alike by every player, and reported: an edit list would hide it in
Chromium and show it in Firefox (bug 1735300).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container

from agent.cutting.dts import WINDOW, DecodeTimes, Unsortable
from agent.cutting.outcome import Outcome, Unsuited
from agent.cutting.plan import Plan, no_picture, without_silent
from agent.cutting.seek import Entry, NoCleanStart, enter, tick_from
from agent.cutting.sink import Sink, index_space
from agent.cutting.tracks import CopiedTrack, EncodedTrack

_TELL_EVERY = 256
"""Packets between two looks at the progress."""
_TRAILING_SECONDS = 3
"""How far behind its picture the sound may lie in the file."""


def copy(
    container: av.container.InputContainer,
    plan: Plan,
    target: Path,
    *,
    bit_rate: int,
    progress: Callable[[float], None],
) -> Outcome:
    """Write the clip of the opened recording to `target`. `progress` gets 0 to 1.

    Raises `Unsuited` when this recording can't be cut by copying, and the errors of `source`.
    """
    video = container.streams[plan.movie.index]
    sound = [container.streams[track.source.index] for track in plan.tracks]
    try:
        entry = enter(container, video, sound, plan.start)
        return _write(container, entry, plan, target, bit_rate, progress)
    except NoCleanStart as reason:
        raise Unsuited(str(reason)) from None
    except Unsortable:
        raise Unsuited("the order of its frames is damaged") from None


def _write(
    container: av.container.InputContainer,
    entry: Entry,
    plan: Plan,
    target: Path,
    bit_rate: int,
    progress: Callable[[float], None],
) -> Outcome:
    video: Any = container.streams[plan.movie.index]
    key: Fraction = entry.key_pts * video.time_base
    with Sink(target, plan.container, index_space(plan, plan.stop - key)) as sink:
        picture = _Picture(sink, sink.copied(video, plan.movie), entry.key_pts, plan, video)
        tracks: dict[int, CopiedTrack | EncodedTrack] = {}
        for track in plan.tracks:
            kind = CopiedTrack if track.action == "copy" else EncodedTrack
            source = container.streams[track.source.index]
            tracks[source.index] = kind(sink, source, track.source, key, plan.stop, bit_rate)
        waiting = set(tracks)
        index = video.index
        length = float(plan.stop - key)
        for count, packet in enumerate(entry.packets):
            if packet.stream_index == index:
                picture.take(packet)
            elif packet.stream_index in waiting and not tracks[packet.stream_index].take(packet):
                waiting.discard(packet.stream_index)
            if picture.done and (not waiting or picture.beyond > _TRAILING_SECONDS):
                break
            if count % _TELL_EVERY == 0:
                progress(min(1.0, float(picture.reached) / length) if length else 1.0)
        picture.finish()
        written = {index: track.finish() for index, track in tracks.items()}
    if key + picture.end <= plan.start:
        raise no_picture(plan, key + picture.end)
    return Outcome(
        plan=without_silent(plan, {index for index, heard in written.items() if heard is None}),
        path=target,
        start=key,
        last=key + picture.last,
        end=key + picture.end,
        frames=picture.frames,
        frame_seconds=picture.longest,
        reencoded=Fraction(0),
        sound=tuple(heard for heard in written.values() if heard is not None),
        warnings=tuple(w for t in tracks.values() for w in t.warnings),
    )


class _Picture:
    """The video's packets: which go over, and with which times."""

    def __init__(self, sink: Sink, out: Any, key_pts: int, plan: Plan, source: Any) -> None:
        self._sink = sink
        self._out = out
        self._key = key_pts
        self._time_base: Fraction = source.time_base
        self._stop = tick_from(plan.stop, self._time_base) - key_pts
        assert plan.movie.video is not None
        rate = plan.movie.video.rate
        self._frame = max(1, round(1 / rate / self._time_base)) if rate else 1
        self._reorder = plan.movie.video.reorder_frames
        self._settled = self._frame if self._reorder else 0
        """So far behind the last frame's time the one that follows it has been read."""
        self._held: list[Any] = []
        """Frames from after the end that a frame before the end may need."""
        self._pending: list[Any] = []
        self._times: DecodeTimes | None = None
        self._last_pts = -1
        self._dts = 0
        self._shown: list[int] = []
        self._last_duration = 0
        self.frames = 0
        self.done = False

    @property
    def reached(self) -> Fraction:
        """Seconds of the clip that have been read."""
        return self._dts * self._time_base

    @property
    def beyond(self) -> Fraction:
        """Seconds by which reading has passed the end."""
        return (self._dts - self._stop) * self._time_base

    @property
    def last(self) -> Fraction:
        """Seconds from the first frame to the last."""
        return self._last_pts * self._time_base

    @property
    def end(self) -> Fraction:
        """Seconds from the first frame to where the last one's time is over."""
        return self._end * self._time_base

    @property
    def _end(self) -> int:
        # A packet's own duration is that of decoding, which says nothing when frames are reordered.
        following = min((p.pts for p in self._held), default=self._last_pts + self._last_duration)
        return max(following, self._last_pts + 1)

    @property
    def longest(self) -> Fraction:
        """The longest time between two frames, in seconds."""
        shown = sorted(self._shown)
        gaps = [b - a for a, b in pairwise(shown)]
        return max([*gaps, self._end - shown[-1]]) * self._time_base if shown else Fraction(0)

    def take(self, packet: Any) -> None:
        """The next packet of the recording."""
        if packet.pts is None or packet.size == 0:
            return
        pts = packet.pts - self._key
        if packet.dts is not None:
            self._dts = packet.dts - self._key
        if pts < 0 or self.done:
            return  # a leading picture: it needs frames from before the clip
        packet.pts = pts
        if pts >= self._stop and pts > self._last_pts:
            self._held.append(packet)
            self.done = self._dts >= self._stop and self._dts > self._last_pts + self._settled
            return
        for before in self._held:
            self._put(before)
        self._held.clear()
        self._put(packet)

    def finish(self) -> None:
        """Write what is still waiting for its decoding time."""
        if self._times is None:
            self._begin()
        assert self._times is not None
        for packet, dts in zip(self._pending, self._times.flush(), strict=True):
            self._send(packet, dts)
        self._pending.clear()

    def _put(self, packet: Any) -> None:
        self._shown.append(packet.pts)
        if packet.pts > self._last_pts:
            self._last_pts = packet.pts
            self._last_duration = self._frame if self._reorder else packet.duration or self._frame
        self._pending.append(packet)
        if self._times is None:
            if len(self._pending) > WINDOW:
                self._begin()
            return
        dts = self._times.push(packet.pts)
        if dts is not None:
            self._send(self._pending.pop(0), dts)

    def _begin(self) -> None:
        """Choose the delay from the first pictures and start to number them."""
        first = [p.pts for p in self._pending]
        delay = DecodeTimes.delay_for(first)
        if delay:
            delay = max(delay, self._reorder * self._frame)
        self._times = DecodeTimes(delay)
        for pts in first:
            dts = self._times.push(pts)
            if dts is not None:
                self._send(self._pending.pop(0), dts)

    def _send(self, packet: Any, dts: int) -> None:
        packet.dts = dts
        self.frames += 1
        self._sink.write(packet, self._out)
