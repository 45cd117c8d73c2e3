"""The edges of a smart cut by index: their frames decoded and encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import numpy as np

from agent.cutting.formats.arrays import Ints
from agent.cutting.indexed import selection
from agent.cutting.indexed.recording import Recording
from agent.cutting.plan.smart import ClipFrames
from agent.cutting.reading.decoding import decoded
from agent.cutting.smart.matching_encoder import EdgeEncoder, Matching

Report = Callable[[float], None]
_SHARE = 0.3
"""Of the progress."""


def encoded_edges(
    recording: Recording,
    encoder: Matching,
    found: selection.Window,
    frames: ClipFrames,
    progress: Report,
) -> tuple[list[bytes], list[bytes]]:
    """The packets of both edges, made at the same time. Raises `Unsuited` and `NotPlain`."""
    with ThreadPoolExecutor(1, thread_name_prefix="clip-tail") as pool:
        tail = None
        if frames.tail:
            # The caller is one thread, so only one of two edges reports its progress.
            report = _silent if frames.edge else progress
            tail = pool.submit(_tail, recording, encoder.open(), found, frames.tail, report)
        edge: list[bytes] = []
        if frames.edge:
            edge = _encode(recording, encoder.open(), found.first, found.shown, frames.edge, progress)
        return edge, [] if tail is None else tail.result()


def _tail(
    recording: Recording, encoder: EdgeEncoder, found: selection.Window, frames: Sequence[int], report: Report
) -> list[bytes]:
    first = selection.entry(recording, frames[0])
    shown = selection.shown(recording, first, found.last)
    return _encode(recording, encoder, first, shown, frames, report)


def _silent(share: float) -> None:
    pass


def _encode(
    recording: Recording, encoder: EdgeEncoder, first: int, shown: Ints, frames: Sequence[int], report: Report
) -> list[bytes]:
    """The frames' packets; `shown`: of the samples from `first` on. Raises `Unsuited`."""
    needed = int(np.flatnonzero(np.isin(shown, frames))[-1]) + 1
    packets = recording.packets(_reporting(range(first, first + needed), report), recording.video.shift)
    payloads: list[bytes] = []
    for frame in chain(decoded(recording.decoder(), packets, frames), [None]):
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads


def _reporting(samples: range, report: Report) -> Iterator[int]:
    for done, sample in enumerate(samples):
        report(_SHARE * done / len(samples))
        yield sample
