"""The picture of a clip by index: an edge, the recording's own samples, and an edge."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from agent.cutting.indexed.edges import ReEncoded
from agent.cutting.indexed.moov import Part
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.tables import NONE, Ints


@dataclass(frozen=True)
class Picture:
    """The clip's picture: an edge, the recording's own samples, and an edge."""

    before: ReEncoded
    samples: Ints
    shown: Ints
    """Of the samples."""
    after: ReEncoded
    zero: int
    """When the clip begins. The first frame may have begun earlier, and is shown from here on."""
    end: int
    """Where the last frame's time is over."""
    usual: int
    """How long a frame is shown as a rule."""
    description: bytes = field(kw_only=True)
    encoder: str | None = None
    reencoded: int = 0
    joints: tuple[int, ...] = ()

    @property
    def order(self) -> Ints:
        """When all are shown, in decoding order."""
        order = np.concatenate([self.before.shown, self.shown, self.after.shown])
        shown: Ints = np.maximum(order, self.zero)
        return shown


def picture_part(recording: Recording, picture: Picture, sizes: Ints, places: Ints) -> Part:
    """The picture as a track of the clip."""
    order = picture.order
    shown = order - picture.zero
    decoding = np.sort(shown)
    # So late is the first picture shown that none is decoded after it is shown.
    delay = int(max(0, (decoding - shown).max()))
    return Part(
        source=recording.video,
        description=picture.description,
        sizes=sizes,
        places=places,
        decoded=decoding,
        shown=shown + delay,
        last_duration=max(1, picture.end - int(order.max())),
        start=delay,
        keys=_keys(recording, picture),
    )


def _keys(recording: Recording, picture: Picture) -> Ints:
    own = picture.samples
    before, after = len(picture.before.payloads), len(picture.after.payloads)
    found = [NONE]
    if before:
        found.append(np.zeros(1, np.int64))
    if len(own):
        marked = recording.video.table.keys(int(own[0]), int(own[-1]) + 1)
        found.append(before + np.searchsorted(own, marked[np.isin(marked, own)]))
    if after:
        found.append(np.array([before + len(own)], np.int64))
    return np.concatenate(found)
