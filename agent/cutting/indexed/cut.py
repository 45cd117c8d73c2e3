"""Copies and smart cuts by a recording's index: see the package's description.

They are defined by `agent.cutting.writing.stream_copy` and `agent.cutting.smart.smart`; only the way they
are made differs.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from agent.cutting.indexed import selection as choose
from agent.cutting.indexed.edges import NO_EDGE, Tell, edges
from agent.cutting.indexed.layout import write
from agent.cutting.indexed.picture import Picture
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.tables import NotPlain
from agent.cutting.plan.extent import STANDS, begin, clamped_end, usual_frame, wanted
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.plan import Plan, no_picture
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.seek import tick_from, tick_upto
from agent.cutting.smart.matching_encoder import Matching, matching
from agent.cutting.writing.stream_copy import check_late


def suits(recording: Recording, plan: Plan) -> bool:
    """Whether this plan can be carried out here."""
    return (
        plan.container.boxed
        and not (plan.subtitles or plan.chapters or plan.timecode)
        and all(t.action == "copy" and t.codec in ("aac", "mp3") for t in plan.tracks)
        and plan.movie.codec == recording.codec
        and (plan.mode == "copy" or recording.codec == "h264")
        and plan.movie.index < len(recording.tracks)
        and recording.tracks[plan.movie.index] is recording.video
        and all(recording.tracks[t.source.index].kind == "audio" for t in plan.tracks)
    )


def copy(recording: Recording, plan: Plan, target: Path, progress: Tell, damage: Damage) -> Outcome:
    """Write the clip to `target`; `damage` is told, while it is written, what of the recording is damaged.

    Raises `NotPlain` when libavformat must make it, `Unsuited`, and `RangeBeyondEnd`.
    """
    tick = recording.video.time_base
    start, stop = tick_upto(plan.start, tick), recording.shown_before(tick_from(plan.stop, tick))
    found = choose.window(recording, start, stop)
    count = choose.complete(found.shown, stop)
    first = int(found.shown[0])
    kept = np.flatnonzero(found.shown[:count] >= first)
    times = found.shown[kept]
    usual = usual_frame(np.sort(times).tolist(), _rate(plan), tick)
    following = _following(recording, found, int(times.max()))
    if following * tick <= plan.start:
        raise no_picture(plan, following * tick)
    end = clamped_end(int(times.max()), following, stop, usual)
    check_late((end - stop) * tick)
    samples = kept + found.first
    picture = Picture(
        NO_EDGE, samples, times, NO_EDGE, first, end, usual, description=recording.video.description
    )
    return write(recording, plan, picture, target, progress, damage)


def smart(recording: Recording, plan: Plan, target: Path, progress: Tell, damage: Damage) -> Outcome:
    """As `copy`; raises `Unsuited` too, when frames can't be encoded to fit."""
    tick = recording.video.time_base
    start, stop = tick_from(plan.start, tick), recording.shown_before(tick_from(plan.stop, tick))
    found = choose.window(recording, start, stop)
    joint = choose.joint(recording, found, start, stop)
    upto = stop if joint is None else int(found.shown[joint - found.first])
    shown = found.shown.tolist()
    frames = wanted(shown, start, stop if joint is None else upto + 1, int(STANDS / tick))
    if not frames:
        raise NotPlain("no frame is shown there")
    usual = usual_frame(sorted(shown), _rate(plan), tick)
    zero = begin(frames, start, stop, usual)
    edge = [pts for pts in frames if joint is None or pts != upto]
    copied = found.last if joint is None else joint
    rest = found.shown[copied - found.first :]
    count = choose.closing(rest, stop)
    if joint is not None and count == 0:
        raise NotPlain("its frames are in an unusual order")
    tail = sorted(int(t) for t in rest[count:] if t < stop)
    last = max([*edge[-1:], *rest[:count].tolist(), *tail[-1:]])
    following = _following(recording, found, last)
    if following * tick <= plan.start:
        raise no_picture(plan, following * tick)
    end = clamped_end(max(last, zero), following, stop, usual)
    changed = bool(edge or tail)
    fitting = matching(recording.extradata, plan.movie, None) if changed else None
    if changed and fitting is None:
        raise NotPlain("no encoder fits")
    before, after = edges(recording, fitting, found, edge, tail, progress)
    reencoded = (upto if joint is not None else end) - zero if edge else 0
    reencoded += end - tail[0] if tail else 0
    picture = Picture(
        before=before,
        samples=np.arange(copied, copied + count),
        shown=rest[:count],
        after=after,
        zero=zero,
        end=end,
        usual=usual,
        description=_description(recording, fitting),
        encoder=fitting.encoder if fitting else None,
        reencoded=reencoded,
        joints=tuple([upto] * bool(edge and joint is not None) + tail[:1]),
    )
    return write(recording, plan, picture, target, progress, damage)


def _description(recording: Recording, fitting: Matching | None) -> bytes:
    if fitting is None or fitting.extradata is None:
        return recording.video.description
    return recording.described(fitting.extradata)


def _rate(plan: Plan) -> Fraction | None:
    return plan.movie.video.rate if plan.movie.video else None


def _following(recording: Recording, found: choose.Window, last: int) -> int:
    """Where the frame shown at `last` gives way to the next, or is over."""
    following = found.shown[found.shown > last]
    if len(following):
        return int(following.min())
    # What the table calls a frame's length is the time to the next one that is decoded, which may be a tick.
    told = int(recording.video.table.durations(found.last - 1, found.last)[0])
    gaps = np.diff(np.sort(found.shown))
    return last + max(1, told, int(np.median(gaps)) if len(gaps) else 0)
