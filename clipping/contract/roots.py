"""Whether a path is below one of the folders that a caller may use. Pure: it says nothing about links."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath


def is_below(path: str, roots: Iterable[str]) -> bool:
    """Whether a path without `..` is one of these folders, or below one."""
    return any(PurePosixPath(path).is_relative_to(root) for root in roots)
