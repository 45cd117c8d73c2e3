"""A clip is verified while its hash is made, and perhaps while it is still being written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agent.cutting.decodes import Rejected
from agent.cutting.outcome import Outcome, Writing
from agent.cutting.verify import Facts, verify


def check(outcome: Outcome, *, whole: bool, progress: Callable[[float], None]) -> tuple[Facts, str]:
    """What is found in the clip, and its SHA-256 (hexadecimal); `whole` and `progress` as `verify`.

    Raises `Rejected`, and what `Writing.result` raises.
    """
    if outcome.writing is None:
        # Both read the file, and neither holds the interpreter.
        with ThreadPoolExecutor(1, thread_name_prefix="clip-hash") as pool:
            digest = pool.submit(_hash, outcome.path)
            return verify(outcome, whole=whole, progress=progress), digest.result()
    if whole:
        written = outcome.writing.result()
        return verify(outcome, whole=True, progress=progress), written
    return _while_written(outcome, outcome.writing)


def _while_written(outcome: Outcome, writing: Writing) -> tuple[Facts, str]:
    """Its ends are complete already. If more was looked at, it may only have been too early."""
    try:
        facts = verify(outcome)
    except Rejected:
        digest = writing.result()
        return verify(outcome), digest
    return facts, writing.result()


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
