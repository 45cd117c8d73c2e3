"""The device files of Intel's and AMD's GPUs: which exist, and whether they can be used."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import DRI, FIRST_NODE, Family, render_node

_SYSTEM = Path("/sys/class/drm")
_AMD, _NVIDIA = "0x1002", "0x10de"
_PREFIX = "renderD"
NO_FOLDER = Refused(
    "no device",
    f"there is no {DRI} here: if the machine has such a GPU, install with `--with igpu`, or pass it to the "
    "container",
)


def gpus_here() -> list[int]:
    """The numbers of the GPUs that have a device file."""
    try:
        names = os.listdir(DRI)
    except OSError:
        return []
    numbers = [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]
    return sorted(int(number) - FIRST_NODE for number in numbers if number.isdecimal())


def unusable(gpu: int, kind: Family) -> Refused | None:
    """Why a GPU can't be tried with this kind of encoder; None when it can."""
    node = render_node(gpu)
    try:
        os.close(os.open(node, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        if not gpus_here():
            return NO_FOLDER
        return Refused("no device", f"{node} does not exist: correct cutting.gpus")
    except PermissionError as error:
        return Refused("no permission", _forbidden(node, error))
    except OSError as error:
        return Refused(
            "no device", f"{node} can't be opened ({error.strerror}): load the GPU's kernel driver"
        )
    return _by_another(node, kind)


def _forbidden(node: Path, error: PermissionError) -> str:
    """A sandbox refuses in another way than a file's mode, which doctor's line on the node explains."""
    if error.errno == errno.EPERM:
        return (
            f"the service or the container may not use {node}: install with `--with igpu`, or pass it to the "
            "container as a device"
        )
    return (
        f"this user may not open {node}: let it join the file's group, as `clipping-agent doctor` describes"
    )


def _by_another(node: Path, kind: Family) -> Refused | None:
    try:
        vendor = (_SYSTEM / node.name / "device" / "vendor").read_text().strip()
    except OSError:
        return None  # not every device has it, nor every container: a test encode shows it
    if vendor == _NVIDIA:
        return Refused("no encoder", f"{node} is an NVIDIA GPU's: it encodes with nvenc")
    if kind == "qsv" and vendor == _AMD:
        return Refused("no encoder", f"{node} is an AMD GPU's: it encodes with vaapi")
    return None
