"""The video of a clip by index: an encoded edge, the recording's own samples, and another edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agent.cutting.formats.arrays import NONE, Ints
from agent.cutting.indexed.moov import Part
from agent.cutting.indexed.recording import Recording
from agent.cutting.plan.smart import ClipFrames


@dataclass(frozen=True)
class ClipVideo:
    """The clip's video."""

    frames: ClipFrames
    samples: Ints
    """The recording's, of the copied frames."""
    description: bytes
    """The whole box `stsd`."""
    before: Sequence[bytes] = ()
    """The packets of the edge before the copied frames."""
    after: Sequence[bytes] = ()
    """Those of the edge after them."""
    encoder: str | None = None
    """That of the edges."""


def video_part(recording: Recording, video: ClipVideo, sizes: Ints, places: Ints) -> Part:
    """The video as a track of the clip."""
    order = video.frames.order
    shown = order - video.frames.start
    decoding = np.sort(shown)
    # The first frame is shown so late that none is decoded after it is shown.
    delay = int(max(0, (decoding - shown).max()))
    return Part(
        source=recording.video,
        description=video.description,
        sizes=sizes,
        places=places,
        decoded=decoding,
        shown=shown + delay,
        last_duration=max(1, video.frames.end - int(order.max())),
        start=delay,
        keys=_keys(recording, video),
    )


def _keys(recording: Recording, video: ClipVideo) -> Ints:
    own = video.samples
    before, after = len(video.before), len(video.after)
    found = [NONE]
    if before:
        found.append(np.zeros(1, np.int64))
    if len(own):
        marked = recording.video.table.keys(int(own[0]), int(own[-1]) + 1)
        found.append(before + np.searchsorted(own, marked[np.isin(marked, own)]))
    if after:
        found.append(np.array([before + len(own)], np.int64))
    return np.concatenate(found)
