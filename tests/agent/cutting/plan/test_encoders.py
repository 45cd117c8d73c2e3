"""Which arguments encoders get, and that both versions of ffmpeg know them."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import get_args

import imageio_ffmpeg
import pytest

from agent.cutting import find_ffmpeg
from agent.cutting.encode.encoder_trial import trial_command
from agent.cutting.plan.encoder_choice import MODES
from agent.cutting.plan.encoders import (
    CANDIDATES,
    CODECS,
    CPU,
    EncoderName,
    RateCap,
    RateMode,
    Wanted,
    card,
    device_options,
    families,
    family,
    on_gpu,
    video_arguments,
)
from clipping.contract.choices import Quality

PATIENCE = 60
PROGRAMS = sorted({find_ffmpeg(None), Path(imageio_ffmpeg.get_ffmpeg_exe())})
CAP = RateCap(1000, 500)
INTEL_AND_AMD: list[EncoderName] = [name for name in CANDIDATES if family(name) in ("qsv", "vaapi")]
OF_ANY_ENCODER = {"c:v", "b:v", "maxrate", "bufsize", "g", "bf", "flags:v", "global_quality", "q:v"}
WORD = re.compile(r"[A-Za-z]")


@cache
def described(program: Path, encoder: EncoderName) -> dict[str, set[str]]:
    """The encoder's own options, each with the names that its values have."""
    asked = subprocess.run(
        [program, "-hide_banner", "-h", f"encoder={encoder}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    options: dict[str, set[str]] = {}
    for line in asked.stdout.splitlines():
        if option := re.match(r"  -([\w-]+) +<", line):
            values = options[option[1]] = set()
        elif (value := re.match(r" {5}(\S+)", line)) and options:
            values.add(value[1])
    return options


def modes_of(encoder: EncoderName) -> tuple[RateMode | None, ...]:
    return MODES if encoder in INTEL_AND_AMD else (None,)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("encoder", CANDIDATES)
def test_an_encoder_knows_its_arguments(program: Path, encoder: EncoderName) -> None:
    known = described(program, encoder)
    if not known:
        pytest.skip(f"this ffmpeg was built without {encoder}")
    for quality in get_args(Quality):
        for mode in modes_of(encoder):
            for name, value in video_arguments(encoder, quality, cap=CAP, mode=mode, gpu=1).items():
                if name in OF_ANY_ENCODER:
                    continue
                option = name.partition(":")[0]
                assert option in known, name
                if known[option] and isinstance(value, str) and WORD.match(value):
                    assert value in known[option], f"{name} {value}"


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("encoder", ["h264_qsv", "hevc_qsv"])
@pytest.mark.parametrize("mode", MODES)
def test_ffmpeg_reads_all_options_before_it_misses_the_gpu(
    program: Path, encoder: EncoderName, mode: RateMode
) -> None:
    if not described(program, encoder):
        pytest.skip(f"this ffmpeg was built without {encoder}")
    # Without the device, which is opened before anything else is read.
    command = trial_command(program, encoder, None, mode)
    asked = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if asked.returncode == 0:
        pytest.skip("this machine has a GPU that encodes")
    assert "MFX session" in asked.stderr or "VAAPI device" in asked.stderr


def test_a_cap_bounds_the_rate_and_leaves_the_quality() -> None:
    free, capped = (video_arguments("libx264", "high", cap=cap) for cap in (None, CAP))
    assert capped == free | {"maxrate": 1000, "bufsize": 500}


@pytest.mark.parametrize("encoder", INTEL_AND_AMD)
def test_a_cap_bounds_the_rate_of_intel_and_amd_too(encoder: EncoderName) -> None:
    capped = video_arguments(encoder, "high", cap=CAP)
    assert capped == video_arguments(encoder, "high", cap=CAP, mode="vbr")
    assert (capped["maxrate"], capped["bufsize"]) == (1000, 500)
    assert 0 < int(capped["b:v"]) < 1000  # at the same rate, it would be constant
    assert not {"global_quality", "qp", "q:v"} & capped.keys()
    with pytest.raises(ValueError, match="needs a cap"):
        video_arguments(encoder, "high", mode="vbr")


@pytest.mark.parametrize("encoder", INTEL_AND_AMD)
def test_a_mode_of_constant_quality_gets_no_rate(encoder: EncoderName) -> None:
    assert video_arguments(encoder, "high") == video_arguments(encoder, "high", mode="icq")
    for mode in ("icq", "cqp"):
        high, medium = (video_arguments(encoder, quality, mode=mode) for quality in ("high", "medium"))
        assert not {"b:v", "maxrate", "bufsize"} & high.keys()
        (number,) = high.keys() & {"global_quality", "qp", "q:v"}
        assert int(high[number]) < int(medium[number])


@pytest.mark.parametrize("encoder", INTEL_AND_AMD)
def test_segments_of_intel_and_amd_can_be_joined(encoder: EncoderName) -> None:
    arguments = video_arguments(encoder, "high")
    assert arguments["bf"] == 0
    assert arguments.get("forced_idr", 1) == 1
    assert arguments["profile:v"] == {"h264": "high", "hevc": "main"}[CODECS[encoder]]


def test_a_gpu_is_named_to_ffmpeg() -> None:
    assert video_arguments("h264_nvenc", "high", gpu=1)["gpu"] == 1
    assert "gpu" not in video_arguments("h264_nvenc", "high")
    assert device_options("h264_nvenc", 1) == []
    assert device_options("hevc_vaapi", 1) == ["-vaapi_device", "/dev/dri/renderD129"]
    assert device_options("h264_qsv", 0) == ["-init_hw_device", "qsv=gpu:hw,child_device=/dev/dri/renderD128"]
    assert device_options("libx264", None) == []
    assert card("h264_qsv", 1) == card("hevc_vaapi", 1) != card("h264_nvenc", 1)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("auto", ["nvenc", "qsv", "vaapi", "cpu"]),
        ("nvenc", ["nvenc", "cpu"]),
        ("qsv", ["qsv", "cpu"]),
        ("vaapi", ["vaapi", "cpu"]),
        ("cpu", ["cpu"]),
    ],
)
def test_the_order_of_preference(wanted: Wanted, names: list[str]) -> None:
    assert list(families(wanted)) == names
    order = [family(name) for name in CANDIDATES]
    assert sorted(order, key=["nvenc", "qsv", "vaapi", "cpu"].index) == order


def test_each_codec_has_an_encoder_of_the_cpu() -> None:
    assert {CODECS[name] for name in CANDIDATES} == set(CPU)
    assert [name for name in CANDIDATES if not on_gpu(name)] == list(CPU.values())
