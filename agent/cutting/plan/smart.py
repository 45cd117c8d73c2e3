"""Plans a smart cut: which frames are encoded, which are copied, and where they are spliced. Pure.

A frame is known by when the recording shows it, in ticks of the video stream, and by its position in decoding
order, counted from a clean keyframe at or before the in-point. What is decided here is carried out by
`smart.smart` on packets and by `indexed.cut` on an MP4's index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from agent.cutting.formats.arrays import NONE, Ints
from agent.cutting.formats.dts import WINDOW
from agent.cutting.plan.extent import REACH, STANDS, begin, clamped_end, usual_frame, wanted
from agent.cutting.plan.outcome import AudioTrack, Outcome, Unsuited, Writing
from agent.cutting.plan.plan import Plan, no_video, no_video_yet

SETTLED = WINDOW // 2
"""Frames after which no earlier one follows in decoding order: H.264 and HEVC reorder by at most 16."""


@dataclass(frozen=True)
class Range:
    """The requested part of a recording, in ticks: frames with start <= shown < stop."""

    start: int
    stop: int
    plan: Plan

    @property
    def tick(self) -> Fraction:
        """Seconds."""
        return self.plan.video_stream.time_base

    @property
    def rate(self) -> Fraction | None:
        """Frames a second as the recording states it."""
        return self.plan.video_stream.video.rate if self.plan.video_stream.video else None


@dataclass(frozen=True)
class Head:
    """How a smart clip begins."""

    edge: tuple[int, ...]
    """The frames to encode, by when they are shown; the first may have begun before the in-point."""
    splice: int | None
    """The position of the keyframe that copying begins with; None when the clip ends before one."""
    start: int
    """When the clip begins."""
    usual: int
    """The usual duration of a frame around the in-point."""


class FrameScan:
    """Scans a recording's frames in decoding order until enough are known for a plan."""

    def __init__(self, range_: Range) -> None:
        self._range = range_
        self.order: list[int] = []
        """When each frame is shown."""
        self._splice: int | None = None
        self._after: int | None = None

    @property
    def head_known(self) -> bool:
        """Whether no further frame changes `head`."""
        found = [at for at in (self._splice, self._after) if at is not None]
        return bool(found) and len(self.order) - min(found) > SETTLED

    @property
    def ending(self) -> bool:
        """Whether a frame at or after the out-point was found."""
        return self._after is not None

    @property
    def complete(self) -> bool:
        """Whether every frame of the range was found, and the one that follows them."""
        return self._after is not None and len(self.order) - self._after > SETTLED

    def take(self, shown: int, is_clean: Callable[[], bool]) -> None:
        """The next frame; `is_clean`: whether decoding can begin with it, called only where that matters.

        Raises `Unsuited` when copying can't begin soon after the in-point.
        """
        start, stop = self._range.start, self._range.stop
        if self._splice is None and not self.head_known and start <= shown < stop and is_clean():
            self._splice = len(self.order)
        if self._after is None and shown >= stop:
            self._after = len(self.order)
        if self._splice is None and self._after is None and (shown - start) * self._range.tick > REACH:
            raise Unsuited(f"there is no clean keyframe within {float(REACH):.0f} s after the start")
        self.order.append(shown)

    def head(self, over: int) -> Head:
        """How the clip begins, by the frames so far, of which the one shown last is `over` then.

        Raises `RangeBeyondEnd` when the recording shows nothing in the range.
        """
        start, stop, tick = self._range.start, self._range.stop, self._range.tick
        splice = None if self._splice is None else self.order[self._splice]
        frames = wanted(self.order, start, stop if splice is None else splice + 1, int(STANDS / tick))
        if not frames:
            raise no_video_yet(self._range.plan, min(self.order) * tick)
        following = min((shown for shown in self.order if shown > frames[-1]), default=over)
        # Not `start`, which is rounded up: the frame that is shown at the in-point may be over then.
        if following * tick <= self._range.plan.start:
            raise no_video(self._range.plan, following * tick)
        usual = usual_frame(sorted(self.order), self._range.rate, tick)
        return Head(
            edge=tuple(shown for shown in frames if shown != splice),
            splice=self._splice,
            start=begin(frames, start, stop, usual),
            usual=usual,
        )


@dataclass(frozen=True)
class ClipFrames:
    """The frames of a clip: an encoded edge, copied ones, and another edge. Times are the recording's."""

    edge: tuple[int, ...]
    """The frames to encode before the copied ones, by when they are shown."""
    copied: Ints
    """The positions of the copied frames in decoding order."""
    shown: Ints
    """When the copied ones are shown."""
    tail: tuple[int, ...]
    """The frames to encode after the copied ones."""
    start: int
    """When the clip begins. The first frame may have begun earlier, and is shown from here on."""
    end: int
    """Where the last frame ends."""
    usual: int
    """The usual duration of a frame."""
    splice: int | None = None
    """When the keyframe is shown that copying begins with, though perhaps no frame can be copied."""

    @cached_property
    def order(self) -> Ints:
        """When every frame is shown, in decoding order; none before the clip's start."""
        edge, tail = np.array(self.edge, np.int64), np.array(self.tail, np.int64)
        order: Ints = np.maximum(np.concatenate([edge, self.shown, tail]), self.start)
        return order

    @property
    def splice_points(self) -> tuple[int, ...]:
        """When the first frame of each other encoder is shown."""
        at_head = [int(self.shown[0])] if self.edge and len(self.shown) else []
        return (*at_head, *self.tail[:1])

    @property
    def reencoded(self) -> int:
        """The duration of the encoded frames."""
        if not len(self.shown):
            return self.end - self.start
        return int(self.shown[0]) - self.start + self.end - (self.tail[0] if self.tail else self.end)

    def outcome(
        self,
        plan: Plan,
        path: Path,
        audio: tuple[AudioTrack, ...],
        encoder: str | None,
        writing: Writing | None = None,
    ) -> Outcome:
        """What a writer made of it. `plan`: with the audio that was found; `encoder`: the edges'."""
        tick = plan.video_stream.time_base
        gaps = np.diff(np.sort(self.order), append=self.end)
        return Outcome(
            plan=plan,
            path=path,
            start=self.start * tick,
            last=int(self.order.max()) * tick,
            end=self.end * tick,
            frames=len(self.order),
            frame_seconds=int(gaps.max()) * tick,
            usual_seconds=self.usual * tick,
            reencoded=self.reencoded * tick,
            audio=audio,
            reencoded_frames=len(self.edge) + len(self.tail),
            joints=tuple((at - self.start) * tick for at in self.splice_points),
            encoder=encoder if self.edge or self.tail else None,
            writing=writing,
        )


def plan_smart(
    order: Sequence[int] | Ints, is_clean: Callable[[int], bool], over: int, range_: Range
) -> ClipFrames:
    """The frames of a smart clip, by when the recording shows those around the range, in decoding order.

    `is_clean`: whether decoding can begin at a position; `over`: where the frame shown last is over. `order`
    begins with a frame that decoding can begin with, and goes on for more than `SETTLED` frames after the
    first at or after the out-point, if there are that many. Raises `Unsuited` and `RangeBeyondEnd`.
    """
    scan = FrameScan(range_)
    for position, shown in enumerate(order):
        scan.take(int(shown), partial(is_clean, position))
        if scan.head_known:
            break
    return plan_rest(scan.head(over), order, over, range_)


def plan_rest(head: Head, order: Sequence[int] | Ints, over: int, range_: Range) -> ClipFrames:
    """The second half of `plan_smart`, for writers that write the head before the rest is read.

    Raises `Unsuited`.
    """
    times = np.asarray(order, np.int64)
    stop = range_.stop
    copied, tail = NONE, NONE
    if head.splice is not None:
        copied, tail = _copied(head, times, head.splice, stop)
    frames = np.maximum(np.concatenate([np.array(head.edge, np.int64), times[copied], tail]), head.start)
    usual = head.usual
    if len(frames) > 1:
        usual = usual_frame(np.sort(frames).tolist(), range_.rate, range_.tick)
    later = times[times >= stop]
    following = int(later.min()) if len(later) else over
    return ClipFrames(
        edge=head.edge,
        copied=copied,
        shown=times[copied],
        tail=tuple(tail.tolist()),
        start=head.start,
        end=clamped_end(int(frames.max()), following, stop, usual),
        usual=usual,
        splice=None if head.splice is None else int(times[head.splice]),
    )


def _copied(head: Head, times: Ints, splice: int, stop: int) -> tuple[Ints, Ints]:
    """The positions that are copied, and when the frames after them are shown that must be encoded."""
    keyframe = times[splice]
    before = times[:splice]
    early = times[splice:][times[splice:] < keyframe]
    if (
        np.any((before > keyframe) & (before < stop))
        or not np.isin(early[early >= head.start], head.edge).all()
    ):
        raise Unsuited("the order of its frames is damaged")
    # What leads the keyframe, decoded after it and shown before, is encoded with the edge.
    after = splice + np.flatnonzero(times[splice:] >= keyframe)
    count = copied_count(times[after], stop)
    rest = times[after[count:]]
    return after[:count], np.sort(rest[rest < stop])


def copied_count(order: Ints, stop: int) -> int:
    """How many of these frames, in decoding order, can be copied when frames encoded by others follow.

    No frame after them may be shown before one of them: a decoder that gets other frames next would have to
    show it too. All are shown before `stop`.
    """
    latest = np.maximum.accumulate(order)
    earliest = np.minimum.accumulate(order[::-1])[::-1]
    following = np.append(earliest[1:], np.iinfo(np.int64).max)
    good = np.flatnonzero((latest < following) & (latest < stop))
    return int(good[-1]) + 1 if len(good) else 0
