"""What ffmpeg's errors mean when an encoder can't be used. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Refusal = Literal[
    "absent", "no device", "no permission", "no driver", "driver too old", "no encoder", "rate mode", "busy",
    "failed",
]  # fmt: skip

_NO_VA_DRIVER = (
    "the GPU's VA-API driver does not start: install intel-media-va-driver (i965-va-driver for Intel before "
    "Broadwell), or mesa-va-drivers for AMD"
)
_NO_INTEL_RUNTIME = (
    "Intel's encoding library found no GPU that it can use: install libmfx-gen1.2 (11th generation and "
    "later) or libmfx1 (earlier ones)"
)
_NO_ENCODER = (
    "the GPU or its driver can't encode this codec: with an Intel GPU, install intel-media-va-driver-non-free"
)
_NO_RATE_MODE = (
    "the GPU's driver has no rate control of this kind: on small Intel chips, load the HuC firmware "
    "(kernel option i915.enable_guc=2)"
)

_NOT_OPENED = "the GPU's device file can't be opened: check that it exists and that this user may write to it"

_REFUSALS: tuple[tuple[str, Refusal, str], ...] = (
    ("Unknown encoder", "absent", "this ffmpeg was built without it"),
    ("Unrecognized option 'vaapi_device'", "absent", "this ffmpeg was built without VA-API"),
    ("Invalid device specification", "absent", "this ffmpeg was built without it"),
    ("Cannot load libcuda", "no driver", "this machine has no NVIDIA driver"),
    (
        "Cannot load libnvidia-encode",
        "no driver",
        "the NVIDIA driver has no encoding library: in a container, add `video` to "
        "NVIDIA_DRIVER_CAPABILITIES",
    ),
    ("CUDA_ERROR_NO_DEVICE", "no driver", "there is an NVIDIA driver, but no card"),
    ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "failed", "the NVIDIA driver was updated: restart the machine"),
    ("cuInit(0) failed", "failed", "the NVIDIA driver does not start"),
    ("Driver does not support the required nvenc API", "driver too old", "the NVIDIA driver is too old"),
    ("minimum required Nvidia driver", "driver too old", "the NVIDIA driver is too old"),
    ("Requested GPU", "no device", "there is no card with this number: correct cutting.gpus"),
    # Before the session's other failures: ffmpeg says both of one card, in this order.
    ("OpenEncodeSessionEx failed: unsupported device", "no encoder", "the card has no encoder"),
    ("OpenEncodeSessionEx failed: no encode device", "no encoder", "the card has no encoder"),
    (
        "OpenEncodeSessionEx failed: out of memory",
        "busy",
        "the card accepts no more encodes now: its limit of sessions is reached, or its memory is full",
    ),
    (
        "OpenEncodeSessionEx failed: incompatible client key",
        "busy",
        "the card accepts no more encodes now: its limit of sessions is reached",
    ),
    ("No free encoding session", "busy", "the card accepts no more encodes now"),
    ("capable devices found", "no encoder", "no card here has an encoder that can do this"),
    # The static ffmpeg loads these when it needs them, and aborts without them.
    ("failed to load library 'libva", "no driver", "libva is missing: install libva2 and libva-drm2"),
    ("failed to load library 'libdrm", "no driver", "libdrm is missing: install libdrm2"),
    ("No VA display found for device", "no device", _NOT_OPENED),
    ("Failed to initialise VAAPI connection", "no driver", _NO_VA_DRIVER),
    ("Failed to create a VAAPI device", "no driver", _NO_VA_DRIVER),
    (
        "Device creation failed: -542398533",
        "no device",
        "VA-API does not accept the device file: check that it is a GPU's, as `ls -l /dev/dri` shows it",
    ),
    ("Error creating a MFX session", "no driver", _NO_INTEL_RUNTIME),
    ("Error initializing an internal MFX session", "no driver", _NO_INTEL_RUNTIME),
    ("Error initializing an MFX session", "no driver", _NO_INTEL_RUNTIME),
    ("Error setting child device handle", "no driver", _NO_INTEL_RUNTIME),
    ("No usable encoding entrypoint found", "no encoder", _NO_ENCODER),
    ("No usable encoding profile found", "no encoder", _NO_ENCODER),
    ("Current codec type is unsupported", "no encoder", _NO_ENCODER),
    ("Current profile is unsupported", "no encoder", _NO_ENCODER),
    ("Driver does not support any RC mode", "rate mode", _NO_RATE_MODE),
    ("Selected ratecontrol mode is unsupported", "rate mode", _NO_RATE_MODE),
)
_RATE_MODE = re.compile(r"Driver does not support \w+ RC mode")
_INTERFACE = re.compile(r"nvenc API version\. Required: ([\d.]+) Found: ([\d.]+)")
_DRIVER = re.compile(r"minimum required Nvidia driver for nvenc is (?:\(unknown\) )?([\d.]+)")


@dataclass(frozen=True)
class Refused:
    """Why an encoder can't be used."""

    kind: Refusal
    reason: str
    """Completes "It is not used, because"."""


def refusal(output: Sequence[str]) -> Refused:
    """What ffmpeg's last lines mean when an encoder did not start or failed."""
    for words, kind, reason in _REFUSALS:
        if any(words in line for line in output):
            return Refused(kind, reason + _details("\n".join(output)))
    if any(_RATE_MODE.search(line) for line in output):
        return Refused("rate mode", _NO_RATE_MODE)
    first = next((line.strip() for line in output if line.strip()), "ffmpeg gave no reason")
    return Refused("failed", first)


def _details(text: str) -> str:
    """The versions in ffmpeg's output, if any."""
    details = ""
    if interface := _INTERFACE.search(text):
        details += f": ffmpeg needs version {interface[1]} of its interface, it has {interface[2]}"
    if driver := _DRIVER.search(text):
        details += f"; install driver {driver[1]} or newer"
    return details
