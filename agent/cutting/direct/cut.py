"""Copies and smart cuts by a recording's index: see the package's description.

What they are is told in `agent.cutting.copy` and `agent.cutting.smart`; here only how they are made differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from agent.cutting.direct import choose
from agent.cutting.direct.compose import Part, head
from agent.cutting.direct.movie import Trak
from agent.cutting.direct.recording import Recording
from agent.cutting.direct.tables import Ints, NotPlain
from agent.cutting.direct.write import Writing, stretches
from agent.cutting.joints import wanted
from agent.cutting.matching import Edge, Matching, matching
from agent.cutting.outcome import Outcome, Sound
from agent.cutting.plan import Plan, Track, no_picture, without_silent
from agent.cutting.seek import tick_from, tick_upto
from agent.cutting.smart import decoded

Tell = Callable[[float], None]
_NONE = np.zeros(0, np.int64)
_BESIDE_VERIFYING = 256 << 20
"""Bytes that may still be on their way when the clip's ends are looked into."""
_LOOK_SECONDS = 0.2
_EDGES_SHARE = 0.3
"""Of the progress."""
_MARGIN = 1 << 20
"""Bytes around what is looked into: sound lies beside it."""


def suits(recording: Recording, plan: Plan) -> bool:
    """Whether this plan can be carried out here."""
    return (
        plan.container.boxed
        and all(t.action == "copy" and t.codec in ("aac", "mp3") for t in plan.tracks)
        and plan.movie.codec == recording.codec
        and (plan.mode == "copy" or recording.codec == "h264")
        and plan.movie.index < len(recording.tracks)
        and recording.tracks[plan.movie.index] is recording.video
        and all(recording.tracks[t.source.index].kind == "audio" for t in plan.tracks)
    )


@dataclass(frozen=True)
class _Edge:
    """Re-encoded pictures."""

    payloads: Sequence[bytes]
    shown: Ints


_NO_EDGE = _Edge((), _NONE)


@dataclass(frozen=True)
class _Picture:
    """The clip's picture: an edge, the recording's own samples, and an edge."""

    before: _Edge
    samples: Ints
    shown: Ints
    """Of the samples."""
    after: _Edge
    end: int
    """Where the last frame's time is over."""
    description: bytes
    encoder: str | None = None
    reencoded: int = 0
    joints: tuple[int, ...] = ()

    @property
    def order(self) -> Ints:
        """When all are shown, in decoding order."""
        return np.concatenate([self.before.shown, self.shown, self.after.shown])


def copy(recording: Recording, plan: Plan, target: Path, progress: Tell) -> Outcome:
    """Write the clip to `target`. Raises `NotPlain` when libavformat must make it, and `RangeBeyondEnd`."""
    tick = recording.video.time_base
    start, stop = tick_upto(plan.start, tick), tick_from(plan.stop, tick)
    found = choose.window(recording, start, stop)
    count = choose.complete(found.shown, stop)
    first = int(found.shown[0])
    kept = np.flatnonzero(found.shown[:count] >= first)
    times = found.shown[kept]
    end = _end(recording, found, int(times.max()))
    if end * tick <= plan.start:
        raise no_picture(plan, end * tick)
    samples = kept + found.first
    picture = _Picture(_NO_EDGE, samples, times, _NO_EDGE, end, recording.video.description)
    return _write(recording, plan, picture, target, progress)


def smart(recording: Recording, plan: Plan, target: Path, progress: Tell) -> Outcome:
    """As `copy`; raises `Unsuited` too, when frames can't be encoded to fit."""
    tick = recording.video.time_base
    start, stop = tick_from(plan.start, tick), tick_from(plan.stop, tick)
    found = choose.window(recording, start, stop)
    joint = choose.joint(recording, found, start, stop)
    upto = stop if joint is None else int(found.shown[joint - found.first])
    edge = sorted(int(t) for t in found.shown if start <= t < upto)
    if joint is None:
        edge = wanted(found.shown.tolist(), start, stop)
    if not edge and joint is None:
        raise NotPlain("no frame is shown there")
    begin = found.last if joint is None else joint
    rest = found.shown[begin - found.first :]
    count = choose.closing(rest, stop)
    if joint is not None and count == 0:
        raise NotPlain("its frames are in an unusual order")
    tail = sorted(int(t) for t in rest[count:] if t < stop)
    last = max([*edge[-1:], *rest[:count].tolist(), *tail[-1:]])
    end = _end(recording, found, last)
    if end * tick <= plan.start:
        raise no_picture(plan, end * tick)
    changed = bool(edge or tail)
    fitting = matching(recording.extradata, plan.movie, None) if changed else None
    if changed and fitting is None:
        raise NotPlain("no encoder fits")
    before, after = _edges(recording, fitting, found, edge, tail, progress)
    reencoded = (upto if joint is not None else end) - edge[0] if edge else 0
    reencoded += end - tail[0] if tail else 0
    picture = _Picture(
        before=before,
        samples=np.arange(begin, begin + count),
        shown=rest[:count],
        after=after,
        end=end,
        description=_description(recording, fitting),
        encoder=fitting.encoder if fitting else None,
        reencoded=reencoded,
        joints=tuple([upto] * bool(edge and joint is not None) + tail[:1]),
    )
    return _write(recording, plan, picture, target, progress)


def _description(recording: Recording, fitting: Matching | None) -> bytes:
    if fitting is None or fitting.extradata is None:
        return recording.video.description
    return recording.described(fitting.extradata)


def _edges(
    recording: Recording,
    fitting: Matching | None,
    found: choose.Window,
    edge: list[int],
    tail: list[int],
    progress: Tell,
) -> tuple[_Edge, _Edge]:
    """Both edges, made side by side. Raises `Unsuited` and `NotPlain`."""
    if fitting is None:
        return _NO_EDGE, _NO_EDGE
    if not edge:
        return _NO_EDGE, _tail(recording, fitting.open(), found, tail, progress)
    with ThreadPoolExecutor(1, thread_name_prefix="clip-tail") as pool:
        # Nobody is told of the shorter one's progress: the caller is one thread.
        after = pool.submit(_tail, recording, fitting.open(), found, tail, _silent) if tail else None
        before = _encode(recording, fitting.open(), found.first, found.shown, edge, progress)
        return before, _NO_EDGE if after is None else after.result()


def _tail(recording: Recording, encoder: Edge, found: choose.Window, frames: list[int], tell: Tell) -> _Edge:
    first = choose.entry(recording, frames[0])
    return _encode(recording, encoder, first, choose.shown(recording, first, found.last), frames, tell)


def _silent(share: float) -> None:
    pass


def _encode(
    recording: Recording, encoder: Edge, first: int, shown: Ints, frames: list[int], tell: Tell
) -> _Edge:
    """The frames anew; `shown`: of the samples from `first` on. Raises `Unsuited`."""
    needed = int(np.flatnonzero(np.isin(shown, frames))[-1]) + 1
    packets = recording.packets(_telling(range(first, first + needed), tell), recording.video.shift)
    payloads: list[bytes] = []
    for frame in chain(decoded(recording.decoder(), packets, frames), [None]):
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return _Edge(payloads, np.array(frames, np.int64))


def _telling(samples: range, tell: Tell) -> Iterator[int]:
    for done, sample in enumerate(samples):
        tell(_EDGES_SHARE * done / len(samples))
        yield sample


def _end(recording: Recording, found: choose.Window, last: int) -> int:
    """Where the frame shown at `last` gives way to the next, or is over."""
    following = found.shown[found.shown > last]
    if len(following):
        return int(following.min())
    usual = recording.video.table.durations(found.last - 1, found.last)
    return last + max(1, int(usual[0]))


def _write(recording: Recording, plan: Plan, picture: _Picture, target: Path, progress: Tell) -> Outcome:
    tick = recording.video.time_base
    order = picture.order
    zero = int(order.min())
    heard = {track: _heard(recording.tracks[track.source.index], plan, zero * tick) for track in plan.tracks}
    heard = {track: samples for track, samples in heard.items() if samples[1] > samples[0]}
    tables = [recording.video.table, *(recording.tracks[t.source.index].table for t in heard)]
    offsets = [_at(recording.video, picture.samples)]
    sizes = [_sizes(recording.video, picture.samples)]
    for table, (first, last) in zip(tables[1:], heard.values(), strict=True):
        offsets.append(table.offsets(first, last))
        sizes.append(table.sizes(first, last))
    places, pieces = stretches(np.concatenate(offsets), np.concatenate(sizes))
    before = np.array([len(p) for p in picture.before.payloads], np.int64)
    after = np.array([len(p) for p in picture.after.payloads], np.int64)
    places += before.sum()
    behind = int(before.sum()) + sum(size for _, size in pieces)
    split = np.split(places, np.cumsum([len(o) for o in offsets])[:-1])
    parts = [
        _video_part(
            recording,
            picture,
            np.concatenate([before, sizes[0], after]),
            np.concatenate([np.cumsum(before) - before, split[0], behind + np.cumsum(after) - after]),
        )
    ]
    for (track, samples), own_sizes, own_places in zip(heard.items(), sizes[1:], split[1:], strict=True):
        source = recording.tracks[track.source.index]
        parts.append(_sound_part(source, samples, own_sizes, own_places, zero * tick))
    index = head(parts, behind + int(after.sum()))
    writing = Writing(
        target, [index, *picture.before.payloads], recording.file, pieces, picture.after.payloads
    )
    writing.start(*_ends(parts[0], len(index), writing.size, [at - zero for at in picture.joints]))
    while writing.left > _BESIDE_VERIFYING and not writing.wait(_LOOK_SECONDS):
        progress(1 - writing.left / writing.size)
    silent = {t.source.index for t in plan.tracks} - {t.source.index for t in heard}
    gaps = np.diff(np.sort(order), append=picture.end)
    return Outcome(
        plan=without_silent(plan, silent),
        path=target,
        start=zero * tick,
        last=int(order.max()) * tick,
        end=picture.end * tick,
        frames=len(order),
        frame_seconds=int(gaps.max()) * tick,
        reencoded=picture.reencoded * tick,
        sound=tuple(_sound(t, p) for t, p in zip(heard, parts[1:], strict=True)),
        joints=tuple((at - zero) * tick for at in picture.joints),
        encoder=picture.encoder,
        writing=writing,
    )


def _ends(picture: Part, data_at: int, size: int, joints: list[int]) -> tuple[int, int]:
    """Bytes of the file's two ends that are looked into first: see `verify.parts`."""
    margin = int(Fraction(3, 2) / picture.source.time_base)
    shown = picture.shown - picture.start
    middle = int(shown.max()) // 2
    early = max([0, *(at for at in joints if at <= middle)]) + margin
    late = min([int(shown.max()), *(at for at in joints if at > middle)]) - margin
    first = data_at + int(picture.places[shown <= early].max(initial=0)) + _MARGIN
    keys = np.arange(len(shown)) if picture.keys is None else picture.keys
    before = keys[shown[keys] <= late]
    key = int(before[-1]) if len(before) else 0
    return first, size - data_at - int(picture.places[key:].min()) + _MARGIN


def _at(track: Trak, samples: Ints) -> Ints:
    if not len(samples):
        return _NONE
    first = int(samples[0])
    return track.table.offsets(first, int(samples[-1]) + 1)[samples - first]


def _sizes(track: Trak, samples: Ints) -> Ints:
    if not len(samples):
        return _NONE
    first = int(samples[0])
    return track.table.sizes(first, int(samples[-1]) + 1)[samples - first]


def _video_part(recording: Recording, picture: _Picture, sizes: Ints, places: Ints) -> Part:
    order = picture.order
    zero = int(order.min())
    shown = order - zero
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


def _keys(recording: Recording, picture: _Picture) -> Ints:
    own = picture.samples
    before, after = len(picture.before.payloads), len(picture.after.payloads)
    found = [_NONE]
    if before:
        found.append(np.zeros(1, np.int64))
    if len(own):
        marked = recording.video.table.keys(int(own[0]), int(own[-1]) + 1)
        found.append(before + np.searchsorted(own, marked[np.isin(marked, own)]))
    if after:
        found.append(np.array([before + len(own)], np.int64))
    return np.concatenate(found)


def _heard(track: Trak, plan: Plan, start: Fraction) -> tuple[int, int]:
    """The first sound sample of the clip, and behind the last: with the one before that decoders need."""
    begin, stop = tick_upto(start, track.time_base), tick_from(plan.stop, track.time_base)
    table = track.table
    first = table.at(begin + track.shift)
    shown = table.decoded(first, min(first + 1, table.count)) - track.shift
    if int(shown[0]) >= stop:
        return 0, 0
    last = table.at(stop + track.shift - 1) + 1
    over = int(table.decoded(last - 1, last)[0] + table.durations(last - 1, last)[0]) - track.shift
    if over <= begin:
        return 0, 0
    return max(0, first - 1), last


def _sound_part(track: Trak, samples: tuple[int, int], sizes: Ints, places: Ints, start: Fraction) -> Part:
    decoding = track.table.decoded(*samples)
    durations = track.table.durations(*samples)
    if np.any(durations[:-1] <= 0):
        raise NotPlain("two of its sounds are heard at one time")
    begin = tick_upto(start, track.time_base) + track.shift
    return Part(
        source=track,
        description=track.description,
        sizes=sizes,
        places=places,
        decoded=decoding - decoding[0],
        shown=decoding - decoding[0],
        last_duration=max(1, int(durations[-1])),
        start=begin - int(decoding[0]),
        keys=None,
    )


def _sound(track: Track, part: Part) -> Sound:
    tick = part.source.time_base
    end = int(part.shown[-1]) + part.last_duration - part.start
    return Sound(track.codec, track.source.language, -part.start * tick, end * tick)
