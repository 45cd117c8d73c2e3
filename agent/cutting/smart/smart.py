"""The smart cut: exact to the frame, and nearly as fast as a copy.

Frames from the in-point to the first keyframe that a decoder may begin with are encoded anew, and the last
few before the out-point that can't be copied without later ones; everything between goes over untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import av
import av.container
from av.video.stream import VideoStream

from agent.cutting.formats.dts import Unsortable
from agent.cutting.formats.media import VideoInfo
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import video_stream
from agent.cutting.plan.extent import NEVER, Patience, clamped_end
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan, without_silent
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.decoding import decoded
from agent.cutting.reading.seek import Entry, KeyTest, NoCleanStart, enter, tick_from
from agent.cutting.reading.walk import Walk
from agent.cutting.smart.copied_span import Middle
from agent.cutting.smart.leading_edge import Opening, look_ahead
from agent.cutting.smart.matching_encoder import Matching, matching
from agent.cutting.writing.audio_tracks import Soundtrack
from agent.cutting.writing.muxer import Sink, index_space
from agent.cutting.writing.subtitles import Cue, add_subtitles, cues_within, read_cues
from agent.cutting.writing.video_writer import PictureWriter

_HEAD, _TAIL = (0.0, 0.2), (0.9, 1.0)
"""The progress from begin to end of both edges; between them there is the copying."""
_TELL_EVERY = 256
"""Packets between two looks at the progress."""


def smart(
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
    Raises `Unsuited` when this recording can't be cut so, and the errors of `source`.
    """
    video = video_stream(container, plan.movie.index)
    if not video.codec_context.is_open:
        video.thread_type = "AUTO"
    sound = [container.streams[track.source.index] for track in plan.tracks]
    try:
        cues = read_cues(container, plan)
        entry = enter(container, video, sound, plan.start, damage)
        patience = Patience(container.format.name, plan.stop)
        opening = look_ahead(entry, video, plan, patience, ends_early=ends_early)
        work = _Cut(container, plan, cues, opening, target, bit_rate, progress, damage, stands=ends_early)
        return work.run(entry)
    except NoCleanStart as reason:
        raise Unsuited(str(reason)) from None
    except Unsortable:
        raise Unsuited("the order of its frames is damaged") from None
    except av.error.InvalidDataError:
        raise Unsuited("its frames can't be decoded there") from None


class _Cut:
    def __init__(
        self,
        container: av.container.InputContainer,
        plan: Plan,
        cues: list[Cue],
        opening: Opening,
        target: Path,
        bit_rate: int,
        progress: Callable[[float], None],
        damage: Damage,
        *,
        stands: bool,
    ) -> None:
        assert plan.movie.video is not None
        self._container = container
        self._plan, self._cues = cues_within(plan, cues, opening.zero * plan.movie.time_base)
        self._opening = opening
        self._target = target
        self._bit_rate = bit_rate
        self._progress = progress
        self._video = video_stream(container, plan.movie.index)
        self._info: VideoInfo = plan.movie.video
        self._tick = plan.movie.time_base
        self._zero = opening.zero
        self._stop = tick_from(plan.stop, self._tick)
        self._stands = stands
        self._damage = damage
        self._matching: Matching | None = None

    def run(self, entry: Entry) -> Outcome:
        start = self._zero * self._tick
        seconds = self._plan.stop - start
        context = self._video.codec_context
        self._matching = matching(context.extradata, self._plan.movie, context.framerate)
        with Sink(
            self._target,
            self._plan.container,
            index_space(self._plan, seconds),
            self._plan.header(start),
        ) as sink:
            writer = PictureWriter(sink, self._stream(sink), self._tick, self._info, self._opening.order)
            sound = Soundtrack(self._container, sink, self._plan, start, self._bit_rate, self._damage)
            add_subtitles(self._container, sink, self._plan, self._cues)
            self._encode(writer, self._opening.edge, self._opening_pictures(), _HEAD)
            middle = Middle(writer, self._opening, self._stop, self._matching, KeyTest(self._video))
            walk = Walk(self._container, self._plan, self._damage, since=entry.key_pts * self._tick)
            self._copy(chain(self._opening.packets, entry.packets), middle, sound, walk)
            # Before the tail is sought: that empties the sound's decoders.
            heard, silent = sound.finish()
            tail = middle.finish()
            if tail:
                found = enter(self._container, self._video, [], tail[0] * self._tick)
                self._encode(writer, tail, found.packets, _TAIL)
            end = self._end(writer, middle.following)
            writer.finish(end - self._zero)
        head = self._opening.edge
        joint = self._opening.joint
        reencoded = (end if joint is None else joint) - self._zero if head else 0
        reencoded += end - tail[0] if tail else 0
        joints = [head and joint, tail and tail[0]]
        return Outcome(
            plan=without_silent(self._plan, silent),
            path=self._target,
            start=start,
            last=start + writer.last * self._tick,
            end=end * self._tick,
            frames=len(writer.shown),
            frame_seconds=writer.longest(end - self._zero),
            usual_seconds=writer.usual_frame * self._tick,
            reencoded=reencoded * self._tick,
            joints=tuple((at - self._zero) * self._tick for at in joints if at),
            sound=heard,
            encoder=self._matching.encoder if self._matching and (head or tail) else None,
        )

    def _end(self, writer: PictureWriter, following: int | None) -> int:
        """Where the clip is over; `following`: when the first frame behind it is shown, if one was found."""
        if following is None:
            following = NEVER if self._stands else writer.end + self._zero
        return clamped_end(writer.last + self._zero, following, self._stop, writer.usual_frame)

    def _stream(self, sink: Sink) -> VideoStream:
        if self._matching is None:
            return sink.copied(self._video, self._plan.movie)
        return sink.copied(self._video, self._plan.movie, self._matching.extradata, self._matching.tag)

    def _opening_pictures(self) -> list[AnyPacket]:
        """What must be decoded for the first edge: everything up to the last of its frames."""
        pictures = list(self._pictures(self._opening.packets))
        edge = set(self._opening.edge)
        needed = max((n for n, p in enumerate(pictures) if p.pts in edge), default=-1)
        return pictures[: needed + 1]

    def _pictures(self, packets: Iterable[AnyPacket]) -> Iterator[AnyPacket]:
        return (p for p in packets if p.stream_index == self._video.index and p.size)

    def _encode(
        self,
        writer: PictureWriter,
        frames: list[int],
        packets: Iterable[AnyPacket],
        told: tuple[float, float],
    ) -> None:
        """Decode `packets` and write `frames` of them anew; `told`: the progress at begin and end."""
        if not frames:
            return
        if self._matching is None:
            raise Unsuited(f"no encoder here makes {self._plan.movie.codec} that fits between its frames")
        edge = self._matching.open()
        pictures = self._telling(self._pictures(packets), frames[-1], told)
        for frame in chain(decoded(self._video.codec_context, pictures, frames), [None]):
            for packet in edge.encode(frame):
                packet.time_base = self._tick
                packet.duration = writer.usual
                writer.put(packet, max(pts_of(packet) - self._zero, 0))

    def _telling(
        self, pictures: Iterable[AnyPacket], last: int, told: tuple[float, float]
    ) -> Iterator[AnyPacket]:
        first: int | None = None
        for packet in pictures:
            pts = pts_of(packet)
            first = pts if first is None else first
            share = (pts - first) / max(1, last - first)
            self._progress(told[0] + (told[1] - told[0]) * min(1.0, max(0.0, share)))
            yield packet

    def _copy(self, packets: Iterable[AnyPacket], middle: Middle, sound: Soundtrack, walk: Walk) -> None:
        patience = Patience(self._container.format.name, self._plan.stop)
        for count, packet in enumerate(packets):
            walk.see(packet)
            if packet.stream_index == self._video.index:
                middle.take(packet)
            else:
                sound.take(packet)
                if patience.lost(packet):
                    self._stands = True
                    break
            if middle.done and sound.complete((middle.reached - self._stop) * self._tick):
                break
            if count % _TELL_EVERY == 0:
                share = (middle.reached - self._zero) / max(1, self._stop - self._zero)
                self._progress(_HEAD[1] + (_TAIL[0] - _HEAD[1]) * min(1.0, max(0.0, share)))
