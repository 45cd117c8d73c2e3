"""The stream copy: packets go over untouched, from the keyframe at or before the in-point.

The lead-in before the in-point is shown, alike by every player, and reported: an edit list would hide it in
Chromium and show it in Firefox (bug 1735300).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import av.container
from av.stream import Stream

from agent.cutting.formats.dts import Unsortable
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import tick_of, video_stream
from agent.cutting.plan.extent import LATE, NEVER, Patience, clamped_end
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan, no_picture, no_picture_yet, without_silent
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.seek import Entry, NoCleanStart, enter, tick_from
from agent.cutting.reading.walk import Walk
from agent.cutting.writing.audio_tracks import Soundtrack
from agent.cutting.writing.muxer import Sink, index_space
from agent.cutting.writing.subtitles import Cue, add_subtitles, cues_within, read_cues
from agent.cutting.writing.video_writer import PictureWriter

_TELL_EVERY = 256
"""Packets between two looks at the progress."""


def copy(
    container: av.container.InputContainer,
    plan: Plan,
    target: Path,
    *,
    bit_rate: int,
    progress: Callable[[float], None],
    damage: Damage,
    ends_early: bool = False,
) -> Outcome:
    """Write the clip of the opened recording to `target`. `progress` gets 0 to 1.

    `damage` is told what of it is damaged. `ends_early`: the recording goes on behind what can be read of it
    here.
    Raises `Unsuited` when this recording can't be cut by copying, and the errors of `source`.
    """
    video = video_stream(container, plan.movie.index)
    tick = tick_of(video)
    sound = [container.streams[track.source.index] for track in plan.tracks]
    try:
        cues = read_cues(container, plan)
        entry = enter(container, video, sound, plan.start, damage)
        if entry.key_pts >= tick_from(plan.stop, tick):
            raise no_picture_yet(plan, entry.key_pts * tick)
        return _write(container, entry, plan, cues, target, bit_rate, progress, damage, ends_early)
    except NoCleanStart as reason:
        raise Unsuited(str(reason)) from None
    except Unsortable:
        raise Unsuited("the order of its frames is damaged") from None


def _write(
    container: av.container.InputContainer,
    entry: Entry,
    plan: Plan,
    cues: list[Cue],
    target: Path,
    bit_rate: int,
    progress: Callable[[float], None],
    damage: Damage,
    stands: bool,
) -> Outcome:
    video = video_stream(container, plan.movie.index)
    tick = tick_of(video)
    key = entry.key_pts * tick
    plan, cues = cues_within(plan, cues, key)
    with Sink(target, plan.container, index_space(plan, plan.stop - key), plan.header(key)) as sink:
        assert plan.movie.video is not None
        writer = PictureWriter(sink, sink.copied(video, plan.movie), tick, plan.movie.video)
        picture = _Picture(writer, entry.key_pts, plan, video)
        sound = Soundtrack(container, sink, plan, key, bit_rate, damage)
        add_subtitles(container, sink, plan, cues)
        index = video.index
        length = float(plan.stop - key)
        walk = Walk(container, plan, damage, since=key)
        patience = Patience(container.format.name, plan.stop)
        for count, packet in enumerate(entry.packets):
            walk.see(packet)
            if packet.stream_index == index:
                picture.take(packet)
            else:
                sound.take(packet)
                if patience.lost(packet):
                    stands = True
                    break
            if picture.done and sound.complete(picture.beyond):
                break
            if count % _TELL_EVERY == 0:
                progress(min(1.0, float(picture.reached) / length) if length else 1.0)
        over = picture.end(stands=stands)
        writer.finish(over)
        heard, silent = sound.finish()
    end = key + over * tick
    if end <= plan.start:
        raise no_picture(plan, end)
    return Outcome(
        plan=without_silent(plan, silent),
        path=target,
        start=key,
        last=key + writer.last * tick,
        end=end,
        frames=len(writer.shown),
        frame_seconds=writer.longest(over),
        usual_seconds=writer.usual_frame * tick,
        reencoded=Fraction(0),
        sound=heard,
    )


class _Picture:
    """The video's packets: which go over, and with which times."""

    def __init__(self, writer: PictureWriter, key_pts: int, plan: Plan, source: Stream) -> None:
        self._writer = writer
        self._key = key_pts
        self._time_base = tick_of(source)
        self._stop = tick_from(plan.stop, self._time_base) - key_pts
        assert plan.movie.video is not None
        self._settled = writer.usual if plan.movie.video.reorder_frames else 0
        """So far behind the last frame's time the one that follows it has been read."""
        self._held: list[AnyPacket] = []
        """Frames from after the end that a frame before the end may need."""
        self._dts = 0
        self.done = False

    @property
    def reached(self) -> Fraction:
        """Seconds of the clip that have been read."""
        return self._dts * self._time_base

    @property
    def beyond(self) -> Fraction:
        """Seconds by which reading has passed the end."""
        return (self._dts - self._stop) * self._time_base

    def end(self, *, stands: bool) -> int:
        """Ticks from the first frame to where the clip is over. Raises `Unsuited` when that is too late.

        `stands`: where no next frame was found, the last one is shown beyond the out-point.
        """
        following = min((pts_of(p) for p in self._held), default=NEVER if stands else self._writer.end)
        end = clamped_end(self._writer.last, following, self._stop, self._writer.usual_frame)
        check_late((end - self._stop) * self._time_base)
        return end

    def take(self, packet: AnyPacket) -> None:
        """The next packet of the recording."""
        if packet.pts is None or packet.size == 0:
            return
        pts = packet.pts - self._key
        if packet.dts is not None:
            self._dts = packet.dts - self._key
        if pts < 0 or self.done:
            return  # a leading picture: it needs frames from before the clip
        packet.pts = pts
        settled = self._writer.last + self._settled
        if pts >= self._stop and pts > self._writer.last:
            self._held.append(packet)
            # From here on every frame is shown later than the first one behind the clip.
            self.done = self._dts >= min(pts_of(p) for p in self._held) and self._dts > settled
            return
        for before in self._held:
            self._writer.put(before, pts_of(before))
        self._held.clear()
        self._writer.put(packet, pts)


def check_late(late: Fraction) -> None:
    """Raise `Unsuited` when a copy would end too many seconds behind the out-point."""
    if late > LATE:
        raise Unsuited(f"its last frames need one that is shown {float(late):.1f} s after the out-point")
