"""Lays out and writes a clip by index: the place of every sample, the index, the data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from agent.cutting.formats.arrays import NONE, Ints
from agent.cutting.formats.payload import check_for, structure_check
from agent.cutting.indexed.audio_track import audio_part, audio_samples, written_track
from agent.cutting.indexed.edges import Report
from agent.cutting.indexed.moov import Part, head
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.indexed.video_track import ClipVideo, video_part
from agent.cutting.indexed.watch import Watch, Watched
from agent.cutting.indexed.write import Writing, stretches
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.plan import Plan, Track, without_silent
from agent.cutting.reading.damage import Damage, stream_name
from agent.cutting.reading.seek import tick_upto
from agent.cutting.reading.source import check_present

_BESIDE_VERIFYING = 256 << 20
"""Bytes that may still be on their way when the clip's ends are verified."""
_LOOK_SECONDS = 0.2
_MARGIN = 1 << 20
"""Bytes around what is verified: audio lies beside it."""


def write(
    recording: Recording, plan: Plan, video: ClipVideo, target: Path, progress: Report, damage: Damage
) -> Outcome:
    """Begin to write the clip, with the audio that belongs to it. Raises `NotPlain` and as `Writing`.

    `damage` collects what is damaged while the clip is written.
    """
    layout = lay_out(recording, plan, video)
    frames, index, laid = video.frames, layout.index, layout.laid
    start = frames.start * recording.video.time_base
    watched = [_watched_video(recording, video, laid.parts[0], len(index))]
    watched += [
        _watched_audio(track, part, start, len(index))
        for track, part in zip(layout.audio, laid.parts[1:], strict=True)
    ]
    writing = Writing(
        target,
        [index, *video.before],
        recording.file,
        laid.pieces,
        video.after,
        Watch(watched, damage),
    )
    for at, size in laid.pieces:
        check_present(recording.source, at, size)
    splices = [at - frames.start for at in frames.splice_points]
    writing.start(*_ends(laid.parts[0], len(index), writing.size, splices))
    while writing.left > _BESIDE_VERIFYING and not writing.wait(_LOOK_SECONDS):
        progress(1 - writing.left / writing.size)
    return layout.outcome(target, writing)


@dataclass(frozen=True)
class Layout:
    """A clip of which everything but the recording's own data is made."""

    plan: Plan
    video: ClipVideo
    audio: Sequence[Track]
    """Those that are not silent."""
    laid: _Laid
    index: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.index) + self.laid.size

    def outcome(self, target: Path, writing: Writing | None) -> Outcome:
        """The clip at `target`."""
        silent = {t.source.index for t in self.plan.tracks} - {t.source.index for t in self.audio}
        return self.video.frames.outcome(
            without_silent(self.plan, silent),
            target,
            tuple(
                written_track(track, part)
                for track, part in zip(self.audio, self.laid.parts[1:], strict=True)
            ),
            self.video.encoder,
            writing,
        )


def lay_out(recording: Recording, plan: Plan, video: ClipVideo) -> Layout:
    """The clip's layout, with the audio that belongs to it.

    Raises `NotPlain`, also when the recording is shorter than its index says.
    """
    start = video.frames.start * recording.video.time_base
    audio = {track: audio_samples(recording.tracks[track.source.index], plan, start) for track in plan.tracks}
    audio = {track: samples for track, samples in audio.items() if samples[1] > samples[0]}
    laid = _lay(recording, video, audio, start, plan.stop)
    if max((at + size for at, size in laid.pieces), default=0) > os.fstat(recording.file).st_size:
        raise NotPlain("it is shorter than its index says")
    return Layout(plan, video, tuple(audio), laid, head(laid.parts, laid.size, plan.recorded(start)))


def _watched_video(recording: Recording, video: ClipVideo, part: Part, data_at: int) -> Watched:
    own = slice(len(video.before), len(video.before) + len(video.samples))
    return Watched(
        stream="the video",
        places=part.places[own] + data_at,
        sizes=part.sizes[own],
        times=video.frames.shown,
        tick=part.source.time_base,
        structure=structure_check(recording.codec, recording.extradata),
        whole=check_for(recording.codec, recording.extradata),
    )


def _watched_audio(track: Track, part: Part, start: Fraction, data_at: int) -> Watched:
    tick = part.source.time_base
    return Watched(
        stream=stream_name(track.source),
        places=part.places + data_at,
        sizes=part.sizes,
        times=part.shown - part.start + tick_upto(start, tick),
        tick=tick,
        structure=structure_check(track.codec, b"\1"),
        whole=check_for(track.codec, b"\1"),
    )


@dataclass(frozen=True)
class _Laid:
    """The places of all data in the clip."""

    parts: list[Part]
    """The video, then the audio."""
    pieces: list[tuple[int, int]]
    """What is taken from the recording: offset and size."""
    size: int
    """Bytes of data, edges included."""


def _lay(
    recording: Recording,
    video: ClipVideo,
    audio: Mapping[Track, tuple[int, int]],
    start: Fraction,
    stop: Fraction,
) -> _Laid:
    """The edges at both ends, between them the recording's video and audio as it holds them."""
    tracks = [recording.tracks[track.source.index] for track in audio]
    offsets = [_of(recording.video.table.offsets, video.samples)]
    sizes = [_of(recording.video.table.sizes, video.samples)]
    for track, (first, last) in zip(tracks, audio.values(), strict=True):
        offsets.append(track.table.offsets(first, last))
        sizes.append(track.table.sizes(first, last))
    places, pieces = stretches(np.concatenate(offsets), np.concatenate(sizes), recording.between)
    before, after = _lengths(video.before), _lengths(video.after)
    behind = int(before.sum()) + sum(size for _, size in pieces)
    own, *audio_at = np.split(places + before.sum(), np.cumsum([len(o) for o in offsets])[:-1])
    at = np.concatenate([np.cumsum(before) - before, own, behind + np.cumsum(after) - after])
    parts = [video_part(recording, video, np.concatenate([before, sizes[0], after]), at)]
    for track, samples, own_sizes, own_places in zip(
        tracks, audio.values(), sizes[1:], audio_at, strict=True
    ):
        parts.append(audio_part(track, samples, own_sizes, own_places, start, stop))
    return _Laid(parts, pieces, behind + int(after.sum()))


def _lengths(packets: Sequence[bytes]) -> Ints:
    return np.array([len(packet) for packet in packets], np.int64)


def _of(table: Callable[[int, int], Ints], samples: Ints) -> Ints:
    """The values of a table for these samples, most of them contiguous."""
    if not len(samples):
        return NONE
    first = int(samples[0])
    return table(first, int(samples[-1]) + 1)[samples - first]


def _ends(video: Part, data_at: int, size: int, joints: list[int]) -> tuple[int, int]:
    """Bytes of the file's two ends that are verified first: see `decodes.parts`."""
    margin = int(Fraction(3, 2) / video.source.time_base)
    shown = video.shown - video.start
    middle = int(shown.max()) // 2
    early = max([0, *(at for at in joints if at <= middle)]) + margin
    late = min([int(shown.max()), *(at for at in joints if at > middle)]) - margin
    first = data_at + int(video.places[shown <= early].max(initial=0)) + _MARGIN
    keys = np.arange(len(shown)) if video.keys is None else video.keys
    before = keys[shown[keys] <= late]
    key = int(before[-1]) if len(before) else 0
    return first, size - data_at - int(video.places[key:].min()) + _MARGIN
