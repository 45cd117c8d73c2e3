"""Verifies a clip while it is hashed, and possibly while it is still written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent.cutting.plan.outcome import Outcome
from agent.cutting.verify.decodes import Rejected, Undecodable
from agent.cutting.verify.verify import Facts, verify


def check(
    outcome: Outcome,
    *,
    whole: bool,
    gaps: bool,
    tolerates: Callable[[], bool],
    progress: Callable[[float], None],
) -> tuple[Facts, str]:
    """The facts about the clip, and its SHA-256 (hexadecimal).

    When some of it can't be decoded, `tolerates` is asked, once the clip is complete, whether only its ends
    and joints must be; the rest as `verify`. Raises `Rejected`, and what `Writing.result` raises.
    """

    def verified(progress: Callable[[float], None] = lambda _: None) -> Facts:
        try:
            return verify(outcome, extent="full" if whole else "ends", gaps=gaps, progress=progress)
        except Undecodable:
            if not tolerates():
                raise
            return verify(outcome, extent="ends only", gaps=gaps)

    if outcome.writing is None:
        # Both read the file, and neither holds the interpreter.
        with ThreadPoolExecutor(1, thread_name_prefix="clip-hash") as pool:
            digest = pool.submit(_hash, outcome.path)
            return verified(progress), digest.result()
    if whole:
        written = outcome.writing.result()
        return verified(progress), written
    try:
        # Its ends are complete already. If more was verified, it may only have been too early.
        facts = verify(outcome)
    except Rejected:
        written = outcome.writing.result()
        return verified(), written
    return facts, outcome.writing.result()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
