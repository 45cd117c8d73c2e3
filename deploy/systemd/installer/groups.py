"""The groups that a drop-in names: systemd starts no service with one that does not exist."""

from __future__ import annotations

import grp
from collections.abc import Callable

_KEY = "SupplementaryGroups="


def exists(name: str) -> bool:
    """Whether this machine has the group."""
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def existing_only(drop_in: str, known: Callable[[str], bool] = exists) -> str:
    """The drop-in without the groups that this machine does not have."""
    lines = []
    for line in drop_in.splitlines(keepends=True):
        if not line.startswith(_KEY):
            lines.append(line)
            continue
        names = line.removeprefix(_KEY).split()
        if found := [name for name in names if known(name)]:
            lines.append(f"{_KEY}{' '.join(found)}\n")
        else:
            lines.append(f"# This machine has none of them: {' '.join(names)}\n")
    return "".join(lines)
