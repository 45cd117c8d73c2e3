"""Which encoder is used for a clip, and what replaces one that fails."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from agent.cutting.encode.encoder_probe import Encoders
from agent.cutting.encode.encoder_trial import try_encoder
from agent.cutting.plan.encoders import Choice, EncoderName, Wanted
from agent.cutting.plan.spec import Order
from agent.cutting.process.client import ForkServer
from agent.cutting.process.protocol import Done, Failed
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.output import Output
from clipping.errors import UnsupportedCodec
from tests.support.media import make, numbers

PATIENCE = 60


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


@pytest.mark.parametrize(
    ("wanted", "encoder"), [("nvenc", "h264_nvenc"), ("qsv", "h264_qsv"), ("vaapi", "h264_vaapi")]
)
def test_a_missing_gpu_that_was_requested_is_reported(wanted: Wanted, encoder: EncoderName) -> None:
    if try_encoder(find_ffmpeg(None), encoder, 0).works:
        pytest.skip("this machine has a GPU that encodes")
    encoders = Encoders(EngineSettings(encoder=wanted))
    encoders.start()
    with encoders.chosen(spec()) as choice:
        assert choice.encoder == "libx264"
        (warning,) = choice.warnings
        assert f"{encoder} is not used, because" in warning


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


@pytest.mark.parametrize(
    "choice",
    [
        Choice("h264_nvenc", gpu=0),
        pytest.param(Choice("h264_qsv", (), "icq", 0), marks=pytest.mark.slow),
        pytest.param(Choice("h264_vaapi", (), "cqp", 0), marks=pytest.mark.slow),
        pytest.param(Choice("hevc_vaapi", (), "icq", 0), marks=pytest.mark.slow),
    ],
    ids=lambda choice: choice.encoder,
)
def test_an_encoder_that_gives_up_is_replaced_once_and_named(tmp_path: Path, choice: Choice) -> None:
    server = ForkServer(preload="agent.cutting.cut")
    server.start()
    codec = "hevc" if choice.encoder == "hevc_vaapi" else "h264"
    try:
        with open_path(spec().source) as source:
            order = Order(
                spec(video_codec=codec), source.identity, tmp_path, "clip", find_ffmpeg(None), choice
            )
            clip = result(server, order, source)
    finally:
        server.close()
    assert numbers(clip.path) == list(range(25, 50))
    if clip.report.encoder == choice.encoder:
        assert (clip.report.warnings, clip.report.gpu) == ([], 0)
        return
    assert clip.report.encoder == {"h264": "libx264", "hevc": "libx265"}[codec]
    assert clip.report.gpu is None
    (warning,) = clip.report.warnings
    assert warning.startswith(f"{choice.encoder} on GPU 0 failed, because")
    assert warning.endswith(f"the clip was made by {clip.report.encoder}")


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
