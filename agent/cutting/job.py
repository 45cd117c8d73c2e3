"""One cut from probe to report: what the engine runs in a child process."""

from __future__ import annotations

import hashlib
import socket
import threading
from pathlib import Path
from typing import Literal

from agent.cutting.copy import copy
from agent.cutting.encode import encode
from agent.cutting.media import MediaInfo
from agent.cutting.outcome import Outcome, Unsuited
from agent.cutting.plan import Plan, plan_cut
from agent.cutting.probe import probe
from agent.cutting.report import report
from agent.cutting.source import identify
from agent.cutting.spec import Clip, Order
from agent.cutting.tell import Teller
from agent.cutting.verify import Facts, Rejected, verify
from clipping.errors import CutVerificationFailed, SourceUnavailable
from clipping.messages import Mode, Quality

SOUND_BIT_RATE: dict[Quality, int] = {"high": 192_000, "medium": 128_000}

Way = Literal["copy", "encode", "encode from the start"]
_WAYS: dict[Mode, tuple[Way, ...]] = {
    "copy": ("copy", "encode", "encode from the start"),
    "encode": ("encode", "encode from the start"),
}
"""What is tried in turn when a way can't make the clip: slower, never wrong."""
_FROM_START_SECONDS = 600
"""How far into a recording a clip may lie to be worth decoding everything before it."""
_PROBED, _CUT = 3.0, 92.0
"""Percent of the whole at the end of the stages."""


def run_probe(channel: socket.socket, path: Path) -> MediaInfo:
    """The probe as a job."""
    return probe(path)


def run_cut(channel: socket.socket, order: Order) -> Clip:
    """The cut as a job. Raises the errors that `Engine.cut` names."""
    tell = Teller(channel)
    tell("probing", 0)
    info = probe(order.spec.source)
    reasons: list[str] = []
    for way in _ways(info, order.spec.mode):
        plan = plan_cut(info, order.spec, "copy" if way == "copy" else "encode")
        if way == "encode from the start" and plan.start - info.zero > _FROM_START_SECONDS:
            continue
        part = order.folder / f"{order.stem}.part"
        try:
            tell("cutting", _PROBED)
            outcome = _make(way, order, info, plan, part, tell)
            tell("verifying", _CUT)
            facts, digest = _check(outcome)
        except (Unsuited, Rejected) as reason:
            part.unlink(missing_ok=True)
            reasons.append(f"{way}: {reason}")
            continue
        if not info.identity.still_holds(identify(order.spec.source)):
            raise SourceUnavailable(f"{order.spec.source.name} was changed while it was being read.")
        return _finish(order, info, outcome, facts, digest, tuple(reasons))
    raise CutVerificationFailed(
        f"{order.spec.source.name} can't be cut there without damage ({'; '.join(reasons)})."
    )


def _ways(info: MediaInfo, mode: Mode) -> tuple[Way, ...]:
    movie = info.movie
    if movie is not None and movie.codec == "h264" and (movie.profile or "").startswith("High 4:4:4"):
        # x264 says in the first frame only how these are to be decoded; from the middle they decode without
        # an error, and wrong.
        return ("encode from the start",)
    return _WAYS[mode]


def _make(way: Way, order: Order, info: MediaInfo, plan: Plan, part: Path, tell: Teller) -> Outcome:
    def progress(share: float) -> None:
        tell("cutting", _PROBED + share * (_CUT - _PROBED))

    quality = order.spec.quality
    if way == "copy":
        return copy(info, plan, part, bit_rate=SOUND_BIT_RATE[quality], progress=progress)
    return encode(
        info,
        plan,
        part,
        quality,
        order.ffmpeg,
        from_start=way == "encode from the start",
        progress=progress,
        started=tell.helper,
    )


def _check(outcome: Outcome) -> tuple[Facts, str]:
    """Verify; the hash is made beside it, as both read the file and neither holds the interpreter."""
    digest: list[str] = []

    def hash_file() -> None:
        with outcome.path.open("rb") as file:
            digest.append(hashlib.file_digest(file, "sha256").hexdigest())

    hashing = threading.Thread(target=hash_file, name="clip-hash")
    hashing.start()
    try:
        facts = verify(outcome)
    finally:
        hashing.join()
    return facts, digest[0]


def _finish(
    order: Order, info: MediaInfo, outcome: Outcome, facts: Facts, digest: str, reasons: tuple[str, ...]
) -> Clip:
    container = outcome.plan.container
    target = order.folder / f"{order.stem}.{container.extension}"
    outcome.path.rename(target)
    warnings = tuple(f"Not cut as asked, {reason}." for reason in reasons)
    return Clip(
        path=target,
        extension=container.extension,
        content_type=container.content_type,
        size=target.stat().st_size,
        sha256=digest,
        duration=round(float(facts.duration), 6),
        report=report(order.spec, info, outcome, facts, warnings),
    )
