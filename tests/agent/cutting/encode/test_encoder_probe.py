"""Which encoder is used, with which arguments, and how ffmpeg's errors are interpreted."""

from __future__ import annotations

import re
import subprocess
import time
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from agent.cutting.encode.encoder_probe import Encoders, try_encoder
from agent.cutting.plan.encoders import (
    CANDIDATES,
    Choice,
    EncoderName,
    RateCap,
    Refusal,
    refusal,
    video_arguments,
)
from agent.cutting.plan.spec import Order
from agent.cutting.process.client import ForkServer
from agent.cutting.process.protocol import Done, Failed
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.output import Output
from clipping.errors import UnsupportedCodec
from tests.support.media import make, numbers

PATIENCE = 60
BUNDLED = Path(imageio_ffmpeg.get_ffmpeg_exe())
PROGRAMS = {"found": find_ffmpeg(None), "bundled": BUNDLED}

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
]


@pytest.mark.parametrize(("said", "kind", "words"), SAID)
def test_a_refusal_is_understood(said: str, kind: Refusal, words: str) -> None:
    refused = refusal(said.splitlines())
    assert refused.kind == kind
    assert words in refused.reason
    assert "0x5" not in refused.reason or kind == "failed"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_every_ffmpeg_can_encode_on_the_cpu(program: Path) -> None:
    assert try_encoder(program, "libx264") is None
    assert try_encoder(program, "libx265") is None


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_card_that_is_not_there_is_refused_with_its_reason(program: Path) -> None:
    refused = try_encoder(program, "h264_nvenc")
    if refused is None:
        pytest.skip("this machine has a card that encodes")
    assert refused.kind != "failed", refused.reason


def test_what_is_no_ffmpeg_is_refused() -> None:
    for program in ("/bin/false", "/nowhere/ffmpeg"):
        refused = try_encoder(Path(program), "libx264")
        assert refused is not None
        assert refused.kind == "failed"


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("encoder", CANDIDATES)
@pytest.mark.parametrize("quality", ["high", "medium"])
def test_an_encoder_knows_its_arguments(program: Path, encoder: EncoderName, quality: str) -> None:
    asked = subprocess.run(
        [program, "-hide_banner", "-h", f"encoder={encoder}"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if "AVOptions" not in asked.stdout:
        pytest.skip(f"this ffmpeg was built without {encoder}")
    options = set(re.findall(r"^ +-([\w-]+) +<", asked.stdout, re.MULTILINE))
    values = set(re.findall(r"^ {5}(\w+) +-?\d+ ", asked.stdout, re.MULTILINE))
    ours = video_arguments(encoder, "high" if quality == "high" else "medium", cap=RateCap(10, 10))
    for name, value in ours.items():
        if name in ("c:v", "b:v", "maxrate", "bufsize"):  # every encoder's
            continue
        assert name.partition(":")[0] in options, name
        if isinstance(value, str) and encoder == "h264_nvenc":
            assert value in values, f"{name} {value}"


def test_a_cap_bounds_the_rate_and_leaves_the_quality() -> None:
    free, capped = (video_arguments("libx264", "high", cap=cap) for cap in (None, RateCap(1000, 500)))
    assert capped == free | {"maxrate": 1000, "bufsize": 500}


def spec(mode: str = "encode", **output: object) -> CutSpec:
    return CutSpec(
        make(), Fraction(1), Fraction(2), "copy" if mode == "copy" else "encode", "medium", Output(**output)
    )


def test_the_cpu_is_chosen_where_no_card_works() -> None:
    encoders = Encoders(EngineSettings(encoder="cpu"))
    encoders.start()
    with encoders.chosen(spec()) as choice:
        assert choice == Choice("libx264")
    with encoders.chosen(spec(video_codec="hevc")) as choice:
        assert choice == Choice("libx265")
    assert encoders.working() == ["libx264", "libx265"]


def test_a_missing_card_that_was_requested_is_reported() -> None:
    if try_encoder(find_ffmpeg(None), "h264_nvenc") is None:
        pytest.skip("this machine has a card that encodes")
    encoders = Encoders(EngineSettings(encoder="nvenc"))
    encoders.start()
    with encoders.chosen(spec()) as choice:
        assert choice.encoder == "libx264"
        (warning,) = choice.warnings
        assert "h264_nvenc is not used, because" in warning


def test_a_copy_waits_for_no_trial() -> None:
    encoders = Encoders(EngineSettings())  # not started: its trials never end
    with encoders.chosen(spec("copy")) as choice:
        assert choice == Choice("libx264")


def test_an_ffmpeg_without_encoders_is_reported() -> None:
    encoders = Encoders(EngineSettings(ffmpeg=Path("/bin/false")))
    encoders.start()
    hevc = encoders.chosen(spec(video_codec="hevc"))
    with pytest.raises(UnsupportedCodec, match="libx265 can't be used"), hevc:
        pass
    assert encoders.working() == []


def test_an_encoder_that_gives_up_is_replaced_once_and_named(tmp_path: Path) -> None:
    server = ForkServer(preload="agent.cutting.cut")
    server.start()
    try:
        with open_path(spec().source) as source:
            order = Order(spec(), source.identity, tmp_path, "clip", find_ffmpeg(None), Choice("h264_nvenc"))
            clip = result(server, order, source)
    finally:
        server.close()
    assert numbers(clip.path) == list(range(25, 50))
    if clip.report.encoder == "h264_nvenc":
        assert clip.report.warnings == []
        return
    assert clip.report.encoder == "libx264"
    (warning,) = clip.report.warnings
    assert warning.startswith("h264_nvenc failed, because")
    assert warning.endswith("the clip was made by libx264")


def result(server: ForkServer, order: Order, source: SourceFile) -> Clip:
    job = server.run("agent.cutting.cut:run_cut", order, descriptors=(source.descriptor,))
    deadline = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < deadline:
            for message in job.messages(1):
                if isinstance(message, Done):
                    clip: Clip = message.value
                    return clip
                assert message is not None
                assert not isinstance(message, Failed), message
        raise AssertionError("the job did not end")
    finally:
        job.close()


def test_an_engine_knows_its_encoders(engine: Engine) -> None:
    folder = make().parent / "encoders"
    folder.mkdir()
    engine.cut(spec(), folder, progress=lambda *_: None)
    assert "libx264" in engine.encoders
