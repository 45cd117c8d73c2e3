"""Whether this process may use the GPUs' render nodes, and if not, what to change."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from agent.checks.access import Entry, Runner, entry_of, runner

DEVICES = Path("/dev/dri")
USE = 0o6
"""Reading and writing."""


@dataclass(frozen=True)
class RenderNode:
    """A render node; `detail` has the fix when it is not usable."""

    path: str
    usable: bool
    detail: str


def render_nodes(devices: Path = DEVICES, *, who: Runner | None = None) -> list[RenderNode]:
    """Opens each one, which starts nothing on the GPU. None where there is no GPU, or none was passed on."""
    known = who or runner()
    try:
        paths = sorted(str(path) for path in devices.iterdir() if path.name.startswith("renderD"))
    except OSError:
        return []
    return [_examined(path, known) for path in paths]


def on_render_node(encoder: str) -> bool:
    """Whether this value of `cutting.encoder` demands a render node; `auto` does without."""
    return encoder in ("qsv", "vaapi")


def _examined(path: str, who: Runner) -> RenderNode:
    try:
        entry = entry_of(path)
    except OSError as error:
        return RenderNode(path, False, f"not usable: {error.strerror}")
    owner = f"belongs to {entry.uid}:{entry.gid} with mode {stat.S_IMODE(entry.mode):04o}"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        fix = fix_of(entry, error.errno or 0, who)
        return RenderNode(path, False, f"not usable ({error.strerror}): {owner}, and this is {who}; {fix}")
    return RenderNode(path, True, f"usable: {owner}")


def fix_of(entry: Entry, number: int, who: Runner) -> str:
    """What would help against this error of opening it. Pure."""
    if number == errno.EPERM:  # not by the mode: by the control group of the container or the service
        return (
            "pass it with `devices: [/dev/dri]`, not as a volume"
            if who.container
            else "allow it with `DeviceAllow=char-drm rw` in the unit"
        )
    if number != errno.EACCES:
        return "load its driver on the host"
    if entry.mode >> 3 & USE == USE and entry.gid not in (0, *who.every_group):
        if who.container:
            return f'join its group with `group_add: ["{entry.gid}"]`'
        return f"join its group with `SupplementaryGroups={entry.gid}` in the unit"
    chmod = f"`chmod 0666 {entry.path}` on the host at each boot"
    if who.container:
        return f"start the container as root with PUID and PGID, whose entrypoint opens it, or {chmod}"
    return f"use a udev rule that gives it to a group, or {chmod}"
