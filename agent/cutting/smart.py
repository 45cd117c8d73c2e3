"""The smart cut: exact to the frame, and nearly as fast as a copy.

Frames from the in-point to the first keyframe that a decoder may begin with are encoded anew, and the last
few before the out-point that can't be copied without later ones; everything between goes over untouched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import av.container

from agent.cutting.dts import WINDOW, Unsortable
from agent.cutting.joints import closing, wanted
from agent.cutting.matching import Matching, matching
from agent.cutting.media import VideoInfo
from agent.cutting.outcome import Outcome, Unsuited
from agent.cutting.picture import PictureWriter
from agent.cutting.plan import Plan, no_picture, no_picture_yet, without_silent
from agent.cutting.seek import REACH, Entry, KeyTest, NoCleanStart, enter, tick_from
from agent.cutting.sink import Sink, index_space
from agent.cutting.tracks import Soundtrack

_SETTLED = WINDOW // 2
"""Pictures after which no earlier one follows in decoding order: H.264 and HEVC reorder by at most 16."""
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
) -> Outcome:
    """Write the clip of the opened recording to `target`. `progress` gets 0 to 1.

    Raises `Unsuited` when this recording can't be cut so, and the errors of `source`.
    """
    video: Any = container.streams[plan.movie.index]
    if not video.codec_context.is_open:
        video.thread_type = "AUTO"
    sound = [container.streams[track.source.index] for track in plan.tracks]
    try:
        entry = enter(container, video, sound, plan.start)
        opening = _look_ahead(entry, video, plan)
        return _Cut(container, plan, opening, target, bit_rate, progress).run(entry)
    except NoCleanStart as reason:
        raise Unsuited(str(reason)) from None
    except Unsortable:
        raise Unsuited("the order of its frames is damaged") from None
    except av.error.InvalidDataError:
        raise Unsuited("its frames can't be decoded there") from None


@dataclass(frozen=True)
class _Opening:
    """The recording around the in-point. Times are ticks of the video stream."""

    packets: list[Any]
    """All that was read, picture and sound."""
    order: list[int]
    """When the pictures among them are shown."""
    edge: list[int]
    """The frames to encode, by when they are shown."""
    joint: int | None
    """The keyframe that copying begins with; None when the clip ends before one."""

    @property
    def zero(self) -> int:
        """The clip's first frame."""
        return self.edge[0] if self.edge else self.joint or 0


def _look_ahead(entry: Entry, video: Any, plan: Plan) -> _Opening:
    """Read until it is known where copying begins, and which frames come before that."""
    start, stop = tick_from(plan.start, video.time_base), tick_from(plan.stop, video.time_base)
    is_clean = KeyTest(video)
    packets: list[Any] = []
    pictures: list[Any] = []
    joint: int | None = None
    settling = 0
    for packet in entry.packets:
        packets.append(packet)
        if packet.stream_index != video.index or packet.size == 0:
            continue
        pts = _pts(packet)
        pictures.append(packet)
        if joint is None and start <= pts < stop and is_clean(packet):
            joint = pts
        if joint is not None or pts >= stop:
            settling += 1
        elif (pts - start) * video.time_base > REACH:
            raise Unsuited(f"there is no clean keyframe within {float(REACH):.0f} s after the start")
        if settling > _SETTLED:
            break
    order = [packet.pts for packet in pictures]
    if joint is not None:
        edge = sorted(pts for pts in order if start <= pts < joint)
    else:
        edge = wanted(order, start, stop)
        _check_standing(pictures, edge, start, plan, video.time_base)
    return _Opening(packets, order, edge, joint)


def _check_standing(pictures: list[Any], edge: list[int], start: int, plan: Plan, tick: Fraction) -> None:
    """A frame from before the range is only seen in it if it has not ended yet. Raises `RangeBeyondEnd`."""
    if not edge:
        raise no_picture_yet(plan, min(packet.pts for packet in pictures) * tick)
    last = max(pictures, key=lambda packet: packet.pts)
    end = last.pts + (last.duration or 1)
    if end <= start:
        raise no_picture(plan, end * tick)


class _Cut:
    def __init__(
        self,
        container: av.container.InputContainer,
        plan: Plan,
        opening: _Opening,
        target: Path,
        bit_rate: int,
        progress: Callable[[float], None],
    ) -> None:
        assert plan.movie.video is not None
        self._container = container
        self._plan = plan
        self._opening = opening
        self._target = target
        self._bit_rate = bit_rate
        self._progress = progress
        self._video: Any = container.streams[plan.movie.index]
        self._info: VideoInfo = plan.movie.video
        self._tick = plan.movie.time_base
        self._zero = opening.zero
        self._stop = tick_from(plan.stop, self._tick)
        self._matching: Matching | None = None

    def run(self, entry: Entry) -> Outcome:
        start = self._zero * self._tick
        seconds = self._plan.stop - start
        context = self._video.codec_context
        self._matching = matching(context.extradata, self._plan.movie, context.framerate)
        with Sink(self._target, self._plan.container, index_space(self._plan, seconds)) as sink:
            writer = PictureWriter(sink, self._stream(sink), self._tick, self._info, self._opening.order)
            sound = Soundtrack(self._container, sink, self._plan, start, self._bit_rate)
            self._encode(writer, self._opening.edge, self._opening_pictures(), _HEAD)
            middle = _Middle(writer, self._opening, self._stop, self._matching, KeyTest(self._video))
            self._copy(chain(self._opening.packets, entry.packets), middle, sound)
            # Before the tail is sought: that empties the sound's decoders.
            heard, silent, warnings = sound.finish()
            tail = middle.finish()
            if tail:
                found = enter(self._container, self._video, [], tail[0] * self._tick)
                self._encode(writer, tail, found.packets, _TAIL)
            writer.finish()
        end = writer.end + self._zero if middle.following is None else middle.following
        head = self._opening.edge
        joint = self._opening.joint
        reencoded = (end if joint is None else joint) - head[0] if head else 0
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
            reencoded=reencoded * self._tick,
            joints=tuple((at - self._zero) * self._tick for at in joints if at),
            sound=heard,
            encoder=self._matching.encoder if self._matching and (head or tail) else None,
            warnings=warnings,
        )

    def _stream(self, sink: Sink) -> Any:
        if self._matching is None:
            return sink.copied(self._video, self._plan.movie)
        return sink.copied(self._video, self._plan.movie, self._matching.extradata, self._matching.tag)

    def _opening_pictures(self) -> list[Any]:
        """What must be decoded for the first edge: everything up to the last of its frames."""
        pictures = list(self._pictures(self._opening.packets))
        edge = set(self._opening.edge)
        needed = max((n for n, p in enumerate(pictures) if p.pts in edge), default=-1)
        return pictures[: needed + 1]

    def _pictures(self, packets: Iterable[Any]) -> Iterator[Any]:
        return (p for p in packets if p.stream_index == self._video.index and p.size)

    def _encode(
        self, writer: PictureWriter, frames: list[int], packets: Iterable[Any], told: tuple[float, float]
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
                writer.put(packet, packet.pts - self._zero)

    def _telling(self, pictures: Iterable[Any], last: int, told: tuple[float, float]) -> Iterator[Any]:
        first: int | None = None
        for packet in pictures:
            first = packet.pts if first is None else first
            share = (packet.pts - first) / max(1, last - first)
            self._progress(told[0] + (told[1] - told[0]) * min(1.0, max(0.0, share)))
            yield packet

    def _copy(self, packets: Iterable[Any], middle: _Middle, sound: Soundtrack) -> None:
        for count, packet in enumerate(packets):
            if packet.stream_index == self._video.index:
                middle.take(packet)
            else:
                sound.take(packet)
            if middle.done and sound.complete((middle.reached - self._stop) * self._tick):
                break
            if count % _TELL_EVERY == 0:
                share = (middle.reached - self._zero) / max(1, self._stop - self._zero)
                self._progress(_HEAD[1] + (_TAIL[0] - _HEAD[1]) * min(1.0, max(0.0, share)))


class _Middle:
    """The copied pictures: held back until it is known that none of them needs one that is not copied."""

    def __init__(
        self,
        writer: PictureWriter,
        opening: _Opening,
        stop: int,
        matching: Matching | None,
        is_clean: KeyTest,
    ) -> None:
        self._writer = writer
        self._opening = opening
        self._zero = opening.zero
        self._stop = stop
        self._matching = matching
        self._is_clean = is_clean
        self._begun = False
        self._waiting: deque[Any] = deque()
        self._settling = 0
        self.reached = opening.zero
        """How far the recording has been read."""
        self.following: int | None = None
        """When the first frame behind the clip is shown."""

    @property
    def done(self) -> bool:
        """Whether every frame of the clip has been seen."""
        return self._settling > _SETTLED

    def take(self, packet: Any) -> None:
        """The next picture of the recording."""
        if packet.size == 0:
            return
        pts = _pts(packet)
        self.reached = max(self.reached, packet.dts if packet.dts is not None else pts)
        if self.done:
            return
        if pts >= self._stop:
            self.following = pts if self.following is None else min(pts, self.following)
        if self.following is not None:
            self._settling += 1
        if not self._copied(packet, pts):
            return
        self._waiting.append(packet)
        if self.following is None and len(self._waiting) > WINDOW:
            self._put(self._waiting.popleft())

    def _copied(self, packet: Any, pts: int) -> bool:
        joint = self._opening.joint
        if joint is None:
            return False
        if pts == joint:
            self._begun = True
        if packet.is_discard and self._zero <= pts < self._stop:
            raise Unsuited("an edit list hides some of its frames")
        if pts < joint and self._begun and self._zero <= pts and pts not in self._opening.edge:
            raise Unsuited("the order of its frames is damaged")
        return self._begun and pts >= joint

    def finish(self) -> list[int]:
        """Write what can still be copied; when the frames that can't are shown, up to the clip's end."""
        if self._opening.joint is None:
            return []
        written = self._writer.last + self._zero
        order = [packet.pts for packet in self._waiting]
        count = closing(order, written, self._stop)
        if count is None:
            raise Unsuited("its frames are in an order that can't be cut")
        for _ in range(count):
            self._put(self._waiting.popleft())
        return sorted(pts for pts in order[count:] if pts < self._stop)

    def _put(self, packet: Any) -> None:
        pts = packet.pts
        if self._matching is not None and self._is_clean(packet):
            at_joint = pts == self._opening.joint and bool(self._opening.edge)
            packet = self._matching.key(packet, joint=at_joint)
        self._writer.put(packet, pts - self._zero)


def decoded(decoder: Any, packets: Iterable[Any], frames: list[int]) -> Iterator[Any]:
    """Exactly `frames`, by when they are shown, out of `packets`. Raises `Unsuited`."""
    missing = deque(frames)
    for packet in chain(packets, [None]):
        # On the way to the first of them, only what others are built on is needed.
        early = packet is not None and packet.pts < frames[0]
        decoder.skip_frame = "NONREF" if early else "DEFAULT"
        for frame in decoder.decode(packet):
            if not missing:
                return
            if frame.pts is None or frame.pts > missing[0]:
                raise Unsuited("not all of its frames can be decoded there")
            if frame.pts == missing[0]:
                missing.popleft()
                yield frame
        if not missing:
            return
    raise Unsuited("not all of its frames can be decoded there")


def _pts(packet: Any) -> int:
    if packet.pts is None:
        raise Unsuited("some of its frames have no time")
    return int(packet.pts)
