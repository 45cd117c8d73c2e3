"""The ways to make a clip, tried in order: shared by cuts and by plans, which write nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import av.container

from agent.cutting.formats.containers import holds
from agent.cutting.formats.media import MediaInfo
from agent.cutting.indexed.cut import suits
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.indexed.recording import Recording
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan, plan_cut
from agent.cutting.plan.spec import CutSpec, OnDamage
from agent.cutting.reading.damage import Damage, Finding, warnings
from agent.cutting.recording import Opened
from agent.cutting.verify.decodes import Rejected
from clipping.contract.choices import Mode
from clipping.errors import CutVerificationFailed, RangeBeyondEnd, SourceDamaged

Way = Literal["copy", "smart", "encode", "encode from the start"]
_WAYS: dict[Mode, tuple[Way, ...]] = {
    "copy": ("copy", "smart", "encode", "encode from the start"),
    "smart": ("smart", "encode", "encode from the start"),
    "encode": ("encode", "encode from the start"),
}
"""The fallbacks, in order, when a way can't make the clip: slower, but never wrong."""
_FROM_START_SECONDS = 600
"""The latest start of a clip for which everything before it is decoded."""
_ResultT = TypeVar("_ResultT")


@dataclass(frozen=True)
class Made(Generic[_ResultT]):
    """The result of the first way that can make the clip."""

    result: _ResultT
    damage: tuple[Finding, ...]
    failures: tuple[str, ...]
    """Why the ways that were tried before it failed."""


def first_good(
    info: MediaInfo,
    spec: CutSpec,
    on_damage: OnDamage,
    attempt: Callable[[Way, Plan, Damage], _ResultT],
    discard: Callable[[], None],
) -> Made[_ResultT]:
    """The clip by the first way that can make it.

    `attempt` raises `Unsuited` or `Rejected` when it can't be made so, and collects damage; `discard` removes
    what an attempt has made. Raises `CutVerificationFailed` if no way can, `SourceDamaged` if `on_damage` is
    `fail`, and what `attempt` raises.
    """
    ways, failures = _ways(info, spec.mode)
    damage = Damage(info.zero)
    damaged = False
    for way in ways:
        plan = plan_cut(info, spec, "encode" if way == "encode from the start" else way)
        if way == "encode from the start" and plan.start - info.zero > _FROM_START_SECONDS:
            continue
        if damaged and plan.mode != "encode":
            continue
        try:
            result = attempt(way, plan, damage)
        except (Unsuited, Rejected) as reason:
            discard()
            failures.append(f"{way}: {reason}")
            damaged = on_damage == "reencode" and bool(damage.found)
            continue
        found = damage.found
        if found and on_damage == "fail":
            raise _damaged(spec, found)
        if found and on_damage == "reencode" and plan.mode != "encode":
            discard()
            failures.append(f"{way}: {warnings(found)[0]}")
            damaged = True
            continue
        return Made(result, found, tuple(failures))
    if damage.found and on_damage == "fail":
        raise _damaged(spec, damage.found)
    where = "".join(f"; {text}" for text in warnings(damage.found))
    raise CutVerificationFailed(
        f"{spec.source.name} can't be cut there without damage ({'; '.join(failures)}{where})"
    )


def _damaged(spec: CutSpec, found: tuple[Finding, ...]) -> SourceDamaged:
    texts = "; ".join(warnings(found))
    return SourceDamaged(f"{spec.source.name}: {texts}, and cutting.on_damage is set to fail")


def _ways(info: MediaInfo, mode: Mode) -> tuple[tuple[Way, ...], list[str]]:
    """The ways to try, and why the requested one is not among them."""
    video = info.video_stream
    if video is not None and video.codec == "h264" and (video.profile or "").startswith("High 4:4:4"):
        # x264 writes how to decode these into the first frame only; from the middle they decode wrongly and
        # without an error.
        return ("encode from the start",), [f"{mode}: 4:4:4 H.264 can only be decoded from its start"]
    return _WAYS[mode], []


def widened(opened: Opened, make: Callable[[], _ResultT]) -> _ResultT:
    """What `make` returns. When it raises `RangeBeyondEnd`, it is called again with more of the recording, if
    that has not been read yet."""
    while True:
        try:
            return make()
        except RangeBeyondEnd:
            # The frame that is shown at the in-point may have started long before.
            if not opened.widen():
                raise


def without_encode(
    opened: Opened,
    plan: Plan,
    by_index: Callable[[Recording], _ResultT],
    by_packets: Callable[[av.container.InputContainer], _ResultT],
) -> _ResultT:
    """A copy or a smart cut, from the recording's index if that is sufficient. Raises `Unsuited`."""
    if not holds(plan.container, plan.video_stream.codec):
        raise Unsuited(f"{plan.video_stream.codec} does not go into {plan.container.extension}")
    recording = opened.recording(plan)
    if recording is not None and suits(recording, plan):
        try:
            return by_index(recording)
        except (NotPlain, IndexError, ValueError, MemoryError):
            opened.distrust_index()  # the index may be inconsistent: use libavformat
    return by_packets(opened.around(plan))
