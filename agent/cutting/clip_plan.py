"""The plan of a clip: a cut that writes nothing. What the engine runs in a child process.

Everything is decided by the functions that cut, on the recording as it is. What is copied by an index is not
read; without an index it is read and counted. Of the frames that a smart cut encodes, enough are encoded to
know their size. What only a finished clip shows is unknown: its verification, and damage of what is not read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import av.container

from agent.cutting.cache import Cache
from agent.cutting.encode.content import content_of
from agent.cutting.encode.estimate import cut_seconds, encoded_bytes
from agent.cutting.encode.rate_control import AUDIO_BITS
from agent.cutting.indexed.cut import copied_video, smart_video
from agent.cutting.indexed.layout import lay_out
from agent.cutting.indexed.recording import Recording
from agent.cutting.plan.bounds import refuse_large
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.spec import CutSpec, PlanOrder
from agent.cutting.process.context import Context
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.damage import Damage, warnings
from agent.cutting.reading.demux import report_packets
from agent.cutting.reading.disorder import refuse_disorder
from agent.cutting.reading.source import SourceFile, check_readable, grown, limit_pixels
from agent.cutting.recording import Opened
from agent.cutting.report import report
from agent.cutting.smart.sampled_encoder import sampled
from agent.cutting.smart.smart import smart
from agent.cutting.verify.verify import Facts
from agent.cutting.ways import Made, Way, first_good, widened, without_encode
from agent.cutting.writing.muxer import Discarded
from agent.cutting.writing.packet_cut import PacketCut, settled
from agent.cutting.writing.stream_copy import copy
from clipping.contract.plan import ClipPlan
from clipping.errors import (
    CutVerificationFailed,
    EncoderFailed,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceDamaged,
)

_NICENESS = 5
"""As of previews: cuts that a caller waits for come first."""
_NOWHERE = Path(os.devnull)


@dataclass(frozen=True)
class _Expected:
    outcome: Outcome
    size: int
    """Bytes."""


def run_plan(context: Context, descriptor: int, order: PlanOrder) -> ClipPlan:
    """The plan as a job. Raises the errors that the cut would raise."""
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    notify = ProgressSender(context)
    notify("probing", 0)
    report_packets(notify.alive)
    source = SourceFile(order.spec.source, descriptor, order.identity)
    limit_pixels(order.max_pixels)
    try:
        with Opened(source, Cache(order.cache)) as opened:
            refuse_large(source.name.name, opened.info, order.spec, order.max_pixels)
            planning = _Planning(opened, order, notify)
            made = first_good(opened.info, order.spec, order.on_damage, planning.attempt, lambda: None)
    except (SourceCorrupt, SourceDamaged, RangeBeyondEnd, CutVerificationFailed, EncoderFailed):
        grown(source)
        check_readable(source)
        raise
    return _described(order.spec, opened, made, growing=grown(source))


class _Planning:
    def __init__(self, opened: Opened, order: PlanOrder, notify: ProgressSender) -> None:
        self._opened, self._order, self._notify = opened, order, notify

    def attempt(self, way: Way, plan: Plan, damage: Damage) -> _Expected:
        """The clip by one way. Raises `Unsuited` when it can't be made so."""

        def make() -> _Expected:
            damage.clear()
            return (
                self._without_encode(plan, damage) if way in ("copy", "smart") else self._encode(plan, damage)
            )

        return widened(self._opened, make)

    def _without_encode(self, plan: Plan, damage: Damage) -> _Expected:
        def by_packets(container: av.container.InputContainer) -> _Expected:
            return self._by_packets(container, plan, damage)

        return without_encode(self._opened, plan, lambda found: self._by_index(found, plan), by_packets)

    def _by_index(self, recording: Recording, plan: Plan) -> _Expected:
        video = (
            copied_video(recording, plan)
            if plan.mode == "copy"
            else smart_video(recording, plan, self._progress, sampled)
        )
        layout = lay_out(recording, plan, video)
        return _Expected(layout.outcome(_NOWHERE, None), layout.size)

    def _by_packets(self, container: av.container.InputContainer, plan: Plan, damage: Damage) -> _Expected:
        measured: list[Discarded] = []
        by_mode = copy if plan.mode == "copy" else partial(smart, matched=sampled)

        def write(cut: PacketCut) -> Outcome:
            measured.append(Discarded())
            return by_mode(replace(cut, target=measured[-1]))

        bits = AUDIO_BITS[self._order.spec.quality]
        early = self._opened.cutout.ends_early
        cut = PacketCut(container, plan, _NOWHERE, bits, self._progress, damage, early)
        outcome = settled(cut, write)
        return _Expected(outcome, measured[-1].size)

    def _encode(self, plan: Plan, damage: Damage) -> _Expected:
        opened, spec, choice = self._opened, self._order.spec, self._order.choice
        container = opened.around(plan)
        refuse_disorder(container, plan)
        content = content_of(
            container,
            plan,
            spec,
            damage,
            begins_late=opened.cutout.begins_late,
            ends_early=opened.cutout.ends_early,
        )
        outcome = content.outcome(
            _NOWHERE, spec, encoder=choice.encoder, gpu=choice.gpu, warnings=choice.warnings
        )
        tracks = len(content.plan.tracks)
        return _Expected(outcome, encoded_bytes(spec, content.clip, opened.info, choice.encoder, tracks))

    def _progress(self, share: float) -> None:
        self._notify("cutting", 100 * share)


def _described(spec: CutSpec, opened: Opened, made: Made[_Expected], *, growing: bool) -> ClipPlan:
    outcome, size = made.result.outcome, made.result.size
    length = outcome.end - outcome.start
    facts = Facts(length, 0, 0, outcome.frames, fps=float(outcome.frames / length))
    found = report(spec, opened.info, outcome, facts, tuple(warnings(made.damage)), growing=growing)
    return ClipPlan(
        in_=found.actual.start,
        out=found.actual.end,
        keyframe_lead_seconds=found.keyframe_lead_seconds,
        mode=found.mode,
        reasons=list(made.failures),
        frames=found.frames,
        frames_reencoded=outcome.reencoded_frames,
        duration_seconds=round(float(length), 6),
        estimated_bytes=size,
        estimated_seconds=round(cut_seconds(outcome, spec, size), 2),
        encoder=found.encoder,
        dropped_streams=found.dropped_streams,
        warnings=found.warnings,
    )
