"""Copies and smart cuts by a recording's index: see the package's description.

What they hold is defined by `agent.cutting.writing.stream_copy` and `agent.cutting.plan.smart`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from agent.cutting.indexed import selection
from agent.cutting.indexed.edges import Report, encoded_edges
from agent.cutting.indexed.layout import write
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.video_track import ClipVideo
from agent.cutting.plan.extent import clamped_end, usual_frame
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan, no_video
from agent.cutting.plan.smart import ClipFrames, Range, plan_smart
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.seek import tick_from, tick_upto
from agent.cutting.smart.matching_encoder import Matcher, matching
from agent.cutting.writing.stream_copy import check_late


def suits(recording: Recording, plan: Plan) -> bool:
    """Whether this plan can be carried out here."""
    return (
        plan.container.boxed
        and not (plan.subtitles or plan.captions or plan.chapters or plan.timecode)
        and all(t.action == "copy" and t.codec in ("aac", "mp3") for t in plan.tracks)
        and plan.video_stream.codec == recording.codec
        and (plan.mode == "copy" or recording.codec == "h264")
        and recording.tracks.get(plan.video_stream.index) is recording.video
        and all(t.source.index in recording.tracks for t in plan.tracks)
        and all(recording.tracks[t.source.index].kind == "audio" for t in plan.tracks)
    )


def copy(recording: Recording, plan: Plan, target: Path, progress: Report, damage: Damage) -> Outcome:
    """Write the clip to `target`; `damage` collects, while it is written, what of the recording is damaged.

    Raises as `copied_video`.
    """
    return write(recording, plan, copied_video(recording, plan), target, progress, damage)


def smart(recording: Recording, plan: Plan, target: Path, progress: Report, damage: Damage) -> Outcome:
    """As `copy`; raises as `smart_video`."""
    return write(recording, plan, smart_video(recording, plan, progress), target, progress, damage)


def copied_video(recording: Recording, plan: Plan) -> ClipVideo:
    """The video of a copied clip.

    Raises `NotPlain` when libavformat must make it, `Unsuited`, and `RangeBeyondEnd`.
    """
    tick = recording.video.time_base
    range_ = Range(tick_upto(plan.start, tick), recording.shown_before(tick_from(plan.stop, tick)), plan)
    found = selection.window(recording, range_.start, range_.stop)
    count = selection.complete(found.shown, range_.stop)
    first = int(found.shown[0])
    kept = np.flatnonzero(found.shown[:count] >= first)
    times = found.shown[kept]
    last = int(times.max())
    usual = usual_frame(np.sort(times).tolist(), range_.rate, tick)
    later = found.shown[found.shown > last]
    following = int(later.min()) if len(later) else selection.over(recording, found)
    if following * tick <= plan.start:
        raise no_video(plan, following * tick)
    end = clamped_end(last, following, range_.stop, usual)
    check_late((end - range_.stop) * tick)
    frames = ClipFrames(edge=(), copied=kept, shown=times, tail=(), start=first, end=end, usual=usual)
    return ClipVideo(frames, kept + found.first, recording.video.description)


def smart_video(recording: Recording, plan: Plan, progress: Report, matched: Matcher = matching) -> ClipVideo:
    """The video of a smart clip; `matched`: how its edges are encoded.

    As `copied_video`; raises `Unsuited` too, when frames can't be encoded to fit.
    """
    tick = recording.video.time_base
    range_ = Range(tick_from(plan.start, tick), recording.shown_before(tick_from(plan.stop, tick)), plan)
    found = selection.window(recording, range_.start, range_.stop)
    keys = frozenset(recording.video.table.keys(found.first, found.last).tolist())
    frames = _planned(recording, found, keys, range_)
    samples, description = frames.copied + found.first, recording.video.description
    if not (frames.edge or frames.tail):
        return ClipVideo(frames, samples, description)
    encoder = matched(recording.extradata, plan.video_stream, None)
    if encoder is None:
        raise NotPlain("no encoder fits")
    if encoder.extradata is not None:
        description = recording.described(encoder.extradata)
    before, after = encoded_edges(recording, encoder, found, frames, progress)
    return ClipVideo(frames, samples, description, before, after, encoder.encoder)


def _planned(
    recording: Recording, found: selection.Window, keys: frozenset[int], range_: Range
) -> ClipFrames:
    """The clip's frames. Raises `NotPlain` when packets may show more than the index, `RangeBeyondEnd`."""

    def is_clean(position: int) -> bool:
        sample = found.first + position
        return sample in keys and recording.is_clean(sample)

    try:
        frames = plan_smart(found.shown, is_clean, selection.over(recording, found), range_)
    except Unsuited as reason:
        raise NotPlain(str(reason)) from None
    if frames.splice is not None and not len(frames.copied):
        raise NotPlain("its frames are in an unusual order")
    return frames
