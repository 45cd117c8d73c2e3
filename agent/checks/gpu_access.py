"""Whether this process may use the GPUs' render nodes, and if not, what to change."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from agent.checks.access import Entry, Runner, entry_of, runner
from agent.checks.findings import Finding
from agent.cutting.plan.encoders import Wanted

DEVICES = Path("/dev/dri")
USE = 0o6
"""Reading and writing."""
WITH_IGPU = "`install --with igpu`"
ON_NODES = ("qsv", "vaapi")
"""The values of `cutting.encoder` that demand a render node."""


def render_node_findings(
    wanted: Wanted, devices: Path = DEVICES, *, who: Runner | None = None
) -> list[Finding]:
    """Opens each one, which starts nothing on the GPU. None where there is no GPU, or none was passed on.

    They are bad where `wanted` demands a GPU and none can be used.
    """
    known = who or runner()
    try:
        paths = sorted(str(path) for path in devices.iterdir() if path.name.startswith("renderD"))
    except OSError:
        return []
    found = [(path, *_examined(path, known)) for path in paths]
    good = wanted not in ON_NODES or any(usable for _, usable, _ in found)
    return [Finding(f"render node {path}", usable or good, detail) for path, usable, detail in found]


def _examined(path: str, who: Runner) -> tuple[bool, str]:
    """Whether it is usable, and its owner, with the fix when it is not."""
    try:
        entry = entry_of(path)
    except OSError as error:
        return False, f"not usable: {error.strerror}"
    owner = f"belongs to {entry.uid}:{entry.gid} with mode {stat.S_IMODE(entry.mode):04o}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        fix = fix_of(entry, error.errno or 0, who)
        return False, f"not usable ({error.strerror}): {owner}, and this is {who}; {fix}"
    return True, f"usable: {owner}"


def fix_of(entry: Entry, number: int, who: Runner) -> str:
    """What would help against this error of opening it. Pure."""
    if number == errno.EPERM:  # not by the mode: by the control group of the container or the service
        return (
            "pass it with `devices: [/dev/dri]`, not as a volume"
            if who.container
            else f"allow it with `DeviceAllow=char-drm rw` in the unit ({WITH_IGPU})"
        )
    if number != errno.EACCES:
        return "load its driver on the host"
    if entry.mode >> 3 & USE == USE and entry.gid not in (0, *who.every_group):
        if who.container:
            return f'join its group with `group_add: ["{entry.gid}"]`'
        return f"join its group with `SupplementaryGroups={entry.gid}` in the unit's igpu.conf ({WITH_IGPU})"
    chmod = f"`chmod 0666 {entry.path}` on the host at each boot"
    if who.container:
        return f"start the container as root with PUID and PGID, whose entrypoint opens it, or {chmod}"
    return f"use a udev rule that gives it to a group, or {chmod}"
