"""The samples of one track: where each lies in the file, and when it is decoded and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agent.cutting.formats.arrays import NONE, Ints


class Samples(Protocol):
    """The samples of a track, in decoding order, from 0. All times in ticks of the track."""

    count: int

    def at(self, time: int) -> int:
        """The last sample that is decoded at or before `time`; at least 0."""

    def decoded(self, first: int, last: int) -> Ints:
        """When the samples from `first` up to `last` are decoded."""

    def shown(self, first: int, last: int) -> Ints:
        """When they are shown."""

    def durations(self, first: int, last: int) -> Ints:
        """How long each is."""

    def sizes(self, first: int, last: int) -> Ints:
        """Bytes of each."""

    def offsets(self, first: int, last: int) -> Ints:
        """Where each begins in the file."""

    def keys(self, first: int, last: int) -> Ints:
        """Those that are marked as keyframes."""


@dataclass(frozen=True)
class Batch:
    """Consecutive samples of one track, in decoding order."""

    decoded: Ints
    shown: Ints
    durations: Ints
    sizes: Ints
    offsets: Ints
    keys: Ints
    """Positions within the batch."""


NO_SAMPLES = Batch(NONE, NONE, NONE, NONE, NONE, NONE)


def joined(batches: Sequence[Batch]) -> Batch:
    """The samples of all batches."""
    if len(batches) == 1:
        return batches[0]
    counts = np.cumsum([0, *(len(batch.shown) for batch in batches)])
    return Batch(
        decoded=np.concatenate([NONE, *(batch.decoded for batch in batches)]),
        shown=np.concatenate([NONE, *(batch.shown for batch in batches)]),
        durations=np.concatenate([NONE, *(batch.durations for batch in batches)]),
        sizes=np.concatenate([NONE, *(batch.sizes for batch in batches)]),
        offsets=np.concatenate([NONE, *(batch.offsets for batch in batches)]),
        keys=np.concatenate(
            [NONE, *(batch.keys + before for batch, before in zip(batches, counts, strict=False))]
        ),
    )


class Excerpt:
    """The `Samples` of a part of a recording; numbered from its first."""

    def __init__(self, batch: Batch) -> None:
        """Raises `ValueError` when decoding times go backward."""
        self._batch = batch
        self.count = len(batch.shown)
        if np.any(np.diff(batch.decoded) < 0):
            raise ValueError("its decoding times go backward")

    def at(self, time: int) -> int:
        """See `Samples`."""
        return max(0, int(np.searchsorted(self._batch.decoded, time, "right")) - 1)

    def decoded(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        return self._batch.decoded[first:last]

    def shown(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        return self._batch.shown[first:last]

    def durations(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        return self._batch.durations[first:last]

    def sizes(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        return self._batch.sizes[first:last]

    def offsets(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        return self._batch.offsets[first:last]

    def keys(self, first: int, last: int) -> Ints:
        """See `Samples`."""
        keys = self._batch.keys
        a, b = np.searchsorted(keys, [first, last])
        return keys[a:b]
