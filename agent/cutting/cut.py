"""One cut from probe to report: what the engine runs in a child process."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

# Loaded by their packages when first needed, which would be in every job again: 12 ms.
import av.container
import av.subtitles.stream
import numpy.ma  # noqa: F401

from agent.cutting.cache import Cache
from agent.cutting.encode.encode import encode
from agent.cutting.encode.rate_control import AUDIO_BITS
from agent.cutting.formats.media import Identity, MediaInfo
from agent.cutting.indexed import cut as direct
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.plan.bounds import refuse_large
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.spec import Clip, Order
from agent.cutting.process.context import Context
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.damage import Damage, warnings
from agent.cutting.reading.demux import report_packets
from agent.cutting.reading.disorder import refuse_disorder
from agent.cutting.reading.source import SourceFile, check_readable, grown, lacking, limit_pixels
from agent.cutting.recording import Opened
from agent.cutting.report import report
from agent.cutting.smart.smart import smart
from agent.cutting.verify.decodes import Rejected
from agent.cutting.verify.verify import Facts
from agent.cutting.verify.verify_and_hash import check
from agent.cutting.ways import Made, Way, first_good, widened, without_encode
from agent.cutting.writing.disk import start_write_back
from agent.cutting.writing.packet_cut import PacketCut, settled
from agent.cutting.writing.stream_copy import copy
from clipping.errors import (
    CutVerificationFailed,
    EncoderFailed,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceDamaged,
)

_LOOK_BYTES = 64 << 10
_PROBED, _CUT = 3.0, 92.0
"""Percent of the whole at the end of the stages."""


def run_probe(
    context: Context, descriptor: int, name: Path, identity: Identity, cache: Path | None
) -> MediaInfo:
    """The probe as a job."""
    with Opened(SourceFile(name, descriptor, identity), Cache(cache)) as opened:
        return opened.info


def run_look(context: Context, descriptor: int) -> int:
    """Reads a little of a file, as a job; how many bytes. May hang as the NAS does."""
    with open(f"/proc/self/fd/{descriptor}", "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        at = secrets.randbelow(max(1, size - _LOOK_BYTES))
        # Not from the page cache, which says nothing about the NAS.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return len(os.pread(file.fileno(), _LOOK_BYTES, at))


def run_cut(context: Context, descriptor: int, order: Order) -> Clip:
    """The cut as a job. Raises the errors that `Engine.cut` names."""
    notify = ProgressSender(context)
    notify("probing", 0)
    report_packets(notify.alive)
    source = SourceFile(order.spec.source, descriptor, order.identity, order.present)
    limit_pixels(order.max_pixels)
    try:
        with Opened(source, Cache(order.cache)) as opened:
            refuse_large(source.name.name, opened.info, order.spec, order.max_pixels)
            made = _first_good(opened, order, notify)
            if source.present is not None and _flawed(made):
                made.result.outcome.path.unlink(missing_ok=True)
                raise lacking(source)
    except (SourceCorrupt, SourceDamaged, RangeBeyondEnd, CutVerificationFailed, EncoderFailed):
        grown(source)
        check_readable(source)
        raise
    return _finish(order, opened.info, made, grown(source))


@dataclass(frozen=True)
class _Verified:
    """A verified clip."""

    outcome: Outcome
    facts: Facts
    sha256: str


def _flawed(made: Made[_Verified]) -> bool:
    """Whether the clip is not all that was asked for."""
    clip = made.result
    return bool(made.damage or made.failures) or clip.facts.frames != clip.outcome.frames


def _first_good(opened: Opened, order: Order, notify: ProgressSender) -> Made[_Verified]:
    """The clip by the first way that can make it. Raises as `first_good`."""
    part = order.folder / f"{order.stem}.part"

    def attempt(way: Way, plan: Plan, damage: Damage) -> _Verified:
        return _made_and_checked(way, opened, order, plan, part, notify, damage)

    return first_good(
        opened.info, order.spec, order.on_damage, attempt, partial(part.unlink, missing_ok=True)
    )


def _made_and_checked(
    way: Way, opened: Opened, order: Order, plan: Plan, part: Path, notify: ProgressSender, damage: Damage
) -> _Verified:
    """Raises `Unsuited` or `Rejected` when the clip can't be made this way."""

    def progress(share: float) -> None:
        notify("verifying", _CUT + share * (100 - _CUT))

    def make() -> Outcome:
        damage.clear()
        notify("cutting", _PROBED)
        return _make(way, opened, order, plan, part, notify, damage)

    while True:
        outcome = widened(opened, make)
        written = partial(notify.written, outcome.path)
        if outcome.writing is None:
            _begin_write_back(outcome.path)
            written()
        else:
            outcome.writing.when_complete(written)
        notify("verifying", _CUT)
        try:
            gaps = plan.mode == "encode" and order.on_damage == "reencode" and bool(damage.found)
            whole = order.verify == "full"
            tolerates = _tolerance(order, outcome, damage)
            found = check(outcome, whole=whole, gaps=gaps, tolerates=tolerates, progress=progress)
            return _Verified(outcome, *found)
        except (Rejected, NotPlain):
            if outcome.writing is not None:
                opened.distrust_index()
            elif plan.mode == "encode" and outcome.joints and order.keep is not None:
                shutil.rmtree(order.keep.folder, ignore_errors=True)
                order = replace(order, keep=None)
            else:
                raise


def _begin_write_back(path: Path) -> None:
    with path.open("rb") as file:
        start_write_back(file.fileno(), 0, 0)


def _tolerance(order: Order, outcome: Outcome, damage: Damage) -> Callable[[], bool]:
    """Whether a clip may contain undecodable data between its ends, copied from damaged parts of the
    recording. Only the ends of long clips are decoded."""
    warned = order.on_damage == "warn" and order.verify != "full" and outcome.plan.mode != "encode"
    return lambda: warned and bool(damage.found)


def _make(
    way: Way,
    opened: Opened,
    order: Order,
    plan: Plan,
    part: Path,
    notify: ProgressSender,
    damage: Damage,
) -> Outcome:
    def progress(share: float) -> None:
        notify("cutting", _PROBED + share * (_CUT - _PROBED))

    quality = order.spec.quality
    if way in ("copy", "smart"):
        return _cut(opened, plan, part, AUDIO_BITS[quality], progress, damage)
    container = opened.around(plan)
    refuse_disorder(container, plan)
    return encode(
        opened.source,
        container,
        opened.info,
        plan,
        part,
        order,
        from_start=way == "encode from the start",
        progress=progress,
        started=notify.helper,
        kept=notify.kept,
        damage=damage,
        begins_late=opened.cutout.begins_late,
        ends_early=opened.cutout.ends_early,
    )


def _cut(
    opened: Opened,
    plan: Plan,
    part: Path,
    bit_rate: int,
    progress: Callable[[float], None],
    damage: Damage,
) -> Outcome:
    """A copy or a smart cut, from the recording's index if that is sufficient."""
    index_cut, packet_cut = (direct.copy, copy) if plan.mode == "copy" else (direct.smart, smart)

    def by_packets(container: av.container.InputContainer) -> Outcome:
        cut = PacketCut(container, plan, part, bit_rate, progress, damage, opened.cutout.ends_early)
        return settled(cut, packet_cut)

    return without_encode(
        opened, plan, lambda recording: index_cut(recording, plan, part, progress, damage), by_packets
    )


def _finish(order: Order, info: MediaInfo, made: Made[_Verified], growing: bool) -> Clip:
    outcome, facts = made.result.outcome, made.result.facts
    container = outcome.plan.container
    target = order.folder / f"{order.stem}.{container.extension}"
    outcome.path.rename(target)
    notes = [f"not cut as requested: {failure}" for failure in made.failures]
    notes += warnings(made.damage)
    missing = outcome.frames - facts.frames
    if missing:
        notes.append(f"{missing} of {outcome.frames} frames can't be decoded and are missing")
    return Clip(
        path=target,
        extension=container.extension,
        content_type=container.content_type,
        size=target.stat().st_size,
        sha256=made.result.sha256,
        duration=round(float(facts.duration), 6),
        report=report(order.spec, info, outcome, facts, tuple(notes), growing=growing),
    )
