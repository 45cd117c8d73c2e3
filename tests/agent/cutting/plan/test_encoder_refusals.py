"""How ffmpeg's errors about encoders are interpreted."""

from __future__ import annotations

import pytest

from agent.cutting.plan.encoder_refusals import Refusal, refusal

# What ffmpeg 5.1 and 9.0 print, with `-v error`; the lines in which only addresses differ are left out.
OPENING_5 = (
    "Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0 - maybe "
    "incorrect parameters such as bit_rate, rate, width or height"
)
OPENING_9 = (
    "[vost#0:0/h264_nvenc @ 0x55b5] [enc:h264_nvenc @ 0x55b5] Error while opening encoder - maybe incorrect "
    "parameters such as bit_rate, rate, width or height.\n"
    "[vf#0:0 @ 0x55b5] Error sending frames to consumers: Operation not permitted\n"
    "[vf#0:0 @ 0x55b5] Task finished with error code: -1 (Operation not permitted)\n"
    "[vost#0:0/h264_nvenc @ 0x55b5] Could not open encoder before EOF\n"
    "[out#0/null @ 0x55b5] Nothing was written into output file, because at least one of its streams "
    "received no packets."
)
SAID: list[tuple[str, Refusal, str]] = [
    (f"[h264_nvenc @ 0x55f5] Cannot load libcuda.so.1\n{OPENING_5}", "no driver", "no NVIDIA driver"),
    (f"[h264_nvenc @ 0x55b5] Cannot load libcuda.so.1\n{OPENING_9}", "no driver", "no NVIDIA driver"),
    (
        f"[h264_nvenc @ 0x55b5] Cannot load libnvidia-encode.so.1\n{OPENING_9}",
        "no driver",
        "NVIDIA_DRIVER_CAPABILITIES",
    ),
    (
        "[h264_nvenc @ 0x5] dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_NO_DEVICE: no CUDA-capable device "
        f"is detected\n{OPENING_9}",
        "no driver",
        "no card",
    ),
    (
        "[h264_nvenc @ 0x5] dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system "
        f"has unsupported display driver / cuda driver combination\n{OPENING_5}",
        "failed",
        "restart",
    ),
    (
        "[h264_nvenc @ 0x5] dl_fn->cuda_dl->cuInit(0) failed -> CUDA_ERROR_UNKNOWN: unknown error",
        "failed",
        "does not start",
    ),
    (
        "[h264_nvenc @ 0x5] Driver does not support the required nvenc API version. Required: 13.1 Found: "
        "13.0\n[h264_nvenc @ 0x5] The minimum required Nvidia driver for nvenc is 610.00 or newer\n"
        + OPENING_9,
        "driver too old",
        "needs version 13.1 of its interface, it has 13.0; install driver 610.00 or newer",
    ),
    (
        "[h264_nvenc @ 0x5] The minimum required Nvidia driver for nvenc is (unknown) 470.57.02 or newer",
        "driver too old",
        "install driver 470.57.02",
    ),
    (
        "[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: unsupported device (2): (no details)\n"
        f"[h264_nvenc @ 0x5] No capable devices found\n{OPENING_9}",
        "no encoder",
        "the card has no encoder",
    ),
    (
        "[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: no encode device (1): (no details)",
        "no encoder",
        "the card has no encoder",
    ),
    ("[h264_nvenc @ 0x5] No capable devices found", "no encoder", "no card here"),
    ("[h264_nvenc @ 0x5] No NVENC capable devices found", "no encoder", "no card here"),
    (
        "[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: out of memory (10): (no details)\n"
        "[h264_nvenc @ 0x5] No capable devices found",
        "busy",
        "no more encodes",
    ),
    (
        "[h264_nvenc @ 0x5] OpenEncodeSessionEx failed: incompatible client key (21): (no details)",
        "busy",
        "no more encodes",
    ),
    ("Unknown encoder 'h264_nvenc'", "absent", "built without it"),
    (
        "[vost#0:0 @ 0x55d3] Unknown encoder 'h264_nvenc'\n[vost#0:0 @ 0x55d3] Error selecting an encoder\n"
        "Error opening output file -.\nError opening output files: Encoder not found",
        "absent",
        "built without it",
    ),
    ("[h264_nvenc @ 0x5] InitializeEncoder failed: invalid param (8)", "failed", "invalid param (8)"),
    ("", "failed", "gave no reason"),
    # Intel and AMD: lines of both versions, most of them printed by these on a machine without a GPU.
    ("[h264_qsv @ 0x55d2] Error creating a MFX session: -9.", "no driver", "install libmfx-gen1.2"),
    (
        "[h264_qsv @ 0x55c8] Error initializing an internal MFX session: unsupported (-3)",
        "no driver",
        "or libmfx1",
    ),
    ("[AVHWDeviceContext @ 0x5] Error initializing an MFX session: -3.", "no driver", "libmfx1"),
    ("[AVHWDeviceContext @ 0x5] Error setting child device handle: -17", "no driver", "libmfx1"),
    ("[h264_qsv @ 0x5] Failed to create a VAAPI device.", "no driver", "intel-media-va-driver"),
    (
        "[VAAPI @ 0x55b6] No VA display found for device /dev/dri/renderD128.\n"
        "Device creation failed: -22.\n"
        "Failed to set value '/dev/dri/renderD128' for option 'vaapi_device': Invalid argument\n"
        "Error parsing global options: Invalid argument",
        "no device",
        "check that it exists",
    ),
    (
        "Device creation failed: -542398533.\n"
        "Failed to set value '/dev/null' for option 'vaapi_device': Generic error in an external library\n"
        "Error parsing global options: Generic error in an external library",
        "no device",
        "ls -l /dev/dri",
    ),
    (
        "[AVHWDeviceContext @ 0x5] Failed to initialise VAAPI connection: -1 (unknown libva error).\n"
        "Device creation failed: -5.",
        "no driver",
        "install intel-media-va-driver",
    ),
    (
        "implib-gen: libva-drm.so.2: failed to load library 'libva-drm.so.2' via dlopen: libva-drm.so.2: "
        "cannot open shared object file: No such file or directory\n"
        'ffmpeg: libva-drm.so.2.init.c:122: load_library: Assertion `0 && "Assertion in generated '
        "code\"' failed.",
        "no driver",
        "install libva2 and libva-drm2",
    ),
    (
        "[h264_vaapi @ 0x5] No usable encoding entrypoint found for profile VAProfileH264High (7).",
        "no encoder",
        "intel-media-va-driver-non-free",
    ),
    ("[hevc_vaapi @ 0x5] No usable encoding profile found.", "no encoder", "can't encode this codec"),
    (
        "[h264_vaapi @ 0x7] Driver does not support any RC mode compatible with selected options (supported "
        "modes: CQP).",
        "rate mode",
        "HuC",
    ),
    (
        "[h264_vaapi @ 0x7] Driver does not support ICQ RC mode (supported modes: CQP, CBR, VBR).",
        "rate mode",
        "i915.enable_guc=2",
    ),
    ("[h264_qsv @ 0x5] Selected ratecontrol mode is unsupported", "rate mode", "HuC"),
    ("[hevc_qsv @ 0x5] Current profile is unsupported", "no encoder", "can't encode this codec"),
    ("[h264_nvenc @ 0x5] Requested GPU 3, but only 1 GPUs are available!", "no device", "cutting.gpus"),
    ("Unrecognized option 'vaapi_device'.", "absent", "without VA-API"),
]


@pytest.mark.parametrize(("said", "kind", "words"), SAID)
def test_a_refusal_is_understood(said: str, kind: Refusal, words: str) -> None:
    refused = refusal(said.splitlines())
    assert refused.kind == kind
    assert words in refused.reason
    assert "0x5" not in refused.reason or kind == "failed"
    assert "\n" not in refused.reason
