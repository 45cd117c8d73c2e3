"""The edges of a smart cut by index: their frames decoded and encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

import numpy as np

from agent.cutting.indexed import selection as choose
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.tables import NONE, Ints
from agent.cutting.reading.decoding import decoded
from agent.cutting.smart.matching_encoder import Edge, Matching

Tell = Callable[[float], None]
_SHARE = 0.3
"""Of the progress."""


@dataclass(frozen=True)
class ReEncoded:
    """Re-encoded pictures."""

    payloads: Sequence[bytes]
    shown: Ints


NO_EDGE = ReEncoded((), NONE)


def edges(
    recording: Recording,
    fitting: Matching | None,
    found: choose.Window,
    edge: list[int],
    tail: list[int],
    progress: Tell,
) -> tuple[ReEncoded, ReEncoded]:
    """Both edges, made side by side. Raises `Unsuited` and `NotPlain`."""
    if fitting is None:
        return NO_EDGE, NO_EDGE
    if not edge:
        return NO_EDGE, _tail(recording, fitting.open(), found, tail, progress)
    with ThreadPoolExecutor(1, thread_name_prefix="clip-tail") as pool:
        # Nobody is told of the shorter one's progress: the caller is one thread.
        after = pool.submit(_tail, recording, fitting.open(), found, tail, _silent) if tail else None
        before = _encode(recording, fitting.open(), found.first, found.shown, edge, progress)
        return before, NO_EDGE if after is None else after.result()


def _tail(
    recording: Recording, encoder: Edge, found: choose.Window, frames: list[int], tell: Tell
) -> ReEncoded:
    first = choose.entry(recording, frames[0])
    return _encode(recording, encoder, first, choose.shown(recording, first, found.last), frames, tell)


def _silent(share: float) -> None:
    pass


def _encode(
    recording: Recording, encoder: Edge, first: int, shown: Ints, frames: list[int], tell: Tell
) -> ReEncoded:
    """The frames anew; `shown`: of the samples from `first` on. Raises `Unsuited`."""
    needed = int(np.flatnonzero(np.isin(shown, frames))[-1]) + 1
    packets = recording.packets(_telling(range(first, first + needed), tell), recording.video.shift)
    payloads: list[bytes] = []
    for frame in chain(decoded(recording.decoder(), packets, frames), [None]):
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return ReEncoded(payloads, np.array(frames, np.int64))


def _telling(samples: range, tell: Tell) -> Iterator[int]:
    for done, sample in enumerate(samples):
        tell(_SHARE * done / len(samples))
        yield sample
