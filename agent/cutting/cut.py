"""One cut from probe to report: what the engine runs in a child process."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

# Loaded by their packages when first needed, which would be in every job again: 12 ms.
import av.subtitles.stream  # noqa: F401
import numpy.ma  # noqa: F401

from agent.cutting.cache import Cache
from agent.cutting.encode.encode import encode
from agent.cutting.formats.containers import holds
from agent.cutting.formats.media import Identity, MediaInfo
from agent.cutting.indexed import cut as direct
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.plan.bounds import refuse_large
from agent.cutting.plan.outcome import Outcome, Unsuited
from agent.cutting.plan.plan import Plan, plan_cut
from agent.cutting.plan.spec import Clip, Order
from agent.cutting.process.context import Context
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.damage import Damage, Finding, warnings
from agent.cutting.reading.demux import report_packets
from agent.cutting.reading.disorder import refuse_disorder
from agent.cutting.reading.source import SourceFile, check_readable, grown, lacking, limit_pixels
from agent.cutting.recording import Opened
from agent.cutting.report import report
from agent.cutting.smart.smart import smart
from agent.cutting.verify.decodes import Rejected
from agent.cutting.verify.verify import Facts
from agent.cutting.verify.verify_and_hash import check
from agent.cutting.writing.disk import start_write_back
from agent.cutting.writing.packet_cut import PacketCut
from agent.cutting.writing.stream_copy import copy
from clipping.contract.choices import Mode, Quality
from clipping.errors import (
    CutVerificationFailed,
    EncoderFailed,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceDamaged,
)

AUDIO_BIT_RATE: dict[Quality, int] = {"high": 192_000, "medium": 128_000}

Way = Literal["copy", "smart", "encode", "encode from the start"]
_WAYS: dict[Mode, tuple[Way, ...]] = {
    "copy": ("copy", "smart", "encode", "encode from the start"),
    "smart": ("smart", "encode", "encode from the start"),
    "encode": ("encode", "encode from the start"),
}
"""The fallbacks, in order, when a way can't make the clip: slower, but never wrong."""
_FROM_START_SECONDS = 600
"""The latest start of a clip for which everything before it is decoded."""
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
            if source.present is not None and made.flawed:
                made.outcome.path.unlink(missing_ok=True)
                raise lacking(source)
    except (SourceCorrupt, SourceDamaged, RangeBeyondEnd, CutVerificationFailed, EncoderFailed):
        grown(source)
        check_readable(source)
        raise
    return _finish(order, opened.info, made, grown(source))


@dataclass(frozen=True)
class _Made:
    """A verified clip, and what was found while making it."""

    outcome: Outcome
    facts: Facts
    sha256: str
    damage: tuple[Finding, ...]
    failures: tuple[str, ...]
    """Why the ways that were tried before it failed."""

    @property
    def flawed(self) -> bool:
        """Whether the clip is not all that was asked for."""
        return bool(self.damage or self.failures) or self.facts.frames != self.outcome.frames


def _first_good(opened: Opened, order: Order, notify: ProgressSender) -> _Made:
    """The clip by the first way that can make it.

    Raises `CutVerificationFailed` if none can, and `SourceDamaged` if `on_damage` is `fail`.
    """
    info = opened.info
    ways, failures = _ways(info, order.spec.mode)
    part = order.folder / f"{order.stem}.part"
    damage = Damage(info.zero)
    damaged = False
    for way in ways:
        plan = plan_cut(info, order.spec, "encode" if way == "encode from the start" else way)
        if way == "encode from the start" and plan.start - info.zero > _FROM_START_SECONDS:
            continue
        if damaged and plan.mode != "encode":
            continue
        try:
            outcome, facts, digest = _made_and_checked(way, opened, order, plan, part, notify, damage)
        except (Unsuited, Rejected) as reason:
            part.unlink(missing_ok=True)
            failures.append(f"{way}: {reason}")
            damaged = order.on_damage == "reencode" and bool(damage.found)
            continue
        found = damage.found
        if found and order.on_damage == "fail":
            raise _damaged(order, found)
        if found and order.on_damage == "reencode" and plan.mode != "encode":
            part.unlink(missing_ok=True)
            failures.append(f"{way}: {warnings(found)[0]}")
            damaged = True
            continue
        return _Made(outcome, facts, digest, found, tuple(failures))
    if damage.found and order.on_damage == "fail":
        raise _damaged(order, damage.found)
    name = order.spec.source.name
    where = "".join(f"; {text}" for text in warnings(damage.found))
    raise CutVerificationFailed(f"{name} can't be cut there without damage ({'; '.join(failures)}{where})")


def _damaged(order: Order, found: tuple[Finding, ...]) -> SourceDamaged:
    texts = "; ".join(warnings(found))
    return SourceDamaged(f"{order.spec.source.name}: {texts}, and cutting.on_damage is set to fail")


def _made_and_checked(
    way: Way, opened: Opened, order: Order, plan: Plan, part: Path, notify: ProgressSender, damage: Damage
) -> tuple[Outcome, Facts, str]:
    """Raises `Unsuited` or `Rejected` when the clip can't be made this way."""

    def progress(share: float) -> None:
        notify("verifying", _CUT + share * (100 - _CUT))

    while True:
        damage.clear()
        notify("cutting", _PROBED)
        try:
            outcome = _make(way, opened, order, plan, part, notify, damage)
        except RangeBeyondEnd:
            # The frame that is shown at the in-point may have started long before.
            if opened.widen():
                continue
            raise
        if outcome.writing is None:
            _begin_write_back(outcome.path)
        notify("verifying", _CUT)
        try:
            gaps = plan.mode == "encode" and order.on_damage == "reencode" and bool(damage.found)
            whole = order.verify == "full"
            tolerates = _tolerance(order, outcome, damage)
            return outcome, *check(outcome, whole=whole, gaps=gaps, tolerates=tolerates, progress=progress)
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


def _ways(info: MediaInfo, mode: Mode) -> tuple[tuple[Way, ...], list[str]]:
    """The ways to try, and why the requested one is not among them."""
    video = info.video_stream
    if video is not None and video.codec == "h264" and (video.profile or "").startswith("High 4:4:4"):
        # x264 writes how to decode these into the first frame only; from the middle they decode wrongly and
        # without an error.
        return ("encode from the start",), [f"{mode}: 4:4:4 H.264 can only be decoded from its start"]
    return _WAYS[mode], []


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
        if not holds(plan.container, plan.video_stream.codec):
            raise Unsuited(f"{plan.video_stream.codec} does not go into {plan.container.extension}")
        return _cut(opened, plan, part, AUDIO_BIT_RATE[quality], progress, damage)
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
    by_index, by_packets = (direct.copy, copy) if plan.mode == "copy" else (direct.smart, smart)
    recording = opened.recording(plan)
    if recording is not None and direct.suits(recording, plan):
        try:
            return by_index(recording, plan, part, progress, damage)
        except (NotPlain, IndexError, ValueError, MemoryError):
            opened.distrust_index()  # the index may be inconsistent: use libavformat
    container = opened.around(plan)
    cut = PacketCut(container, plan, part, bit_rate, progress, damage, opened.cutout.ends_early)
    outcome = by_packets(cut)
    if outcome.plan.tracks != plan.tracks and not plan.container.boxed:
        # A silent track is known too late: Matroska has written its header by then.
        outcome = by_packets(replace(cut, plan=outcome.plan))
    return outcome


def _finish(order: Order, info: MediaInfo, made: _Made, growing: bool) -> Clip:
    container = made.outcome.plan.container
    target = order.folder / f"{order.stem}.{container.extension}"
    made.outcome.path.rename(target)
    notes = [f"not cut as requested: {failure}" for failure in made.failures]
    notes += warnings(made.damage)
    missing = made.outcome.frames - made.facts.frames
    if missing:
        notes.append(f"{missing} of {made.outcome.frames} frames can't be decoded and are missing")
    return Clip(
        path=target,
        extension=container.extension,
        content_type=container.content_type,
        size=target.stat().st_size,
        sha256=made.sha256,
        duration=round(float(made.facts.duration), 6),
        report=report(order.spec, info, made.outcome, made.facts, tuple(notes), growing=growing),
    )
