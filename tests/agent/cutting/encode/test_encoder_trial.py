"""Test encodes with real ffmpegs: what works is found, and what does not is explained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import imageio_ffmpeg
import pytest

from agent.cutting import find_ffmpeg
from agent.cutting.encode import render_nodes
from agent.cutting.encode.encoder_trial import try_all, try_encoder
from agent.cutting.plan import encoders
from agent.cutting.plan.encoder_choice import Trial
from agent.cutting.plan.encoders import CANDIDATES, EncoderName, families, family
from tests.support.gpus import make_gpus
from tests.support.users import as_user

PROGRAMS = sorted({find_ffmpeg(None), Path(imageio_ffmpeg.get_ffmpeg_exe())})
NO_FFMPEG = Path("/nowhere/ffmpeg")
ON_DRI: list[EncoderName] = [name for name in CANDIDATES if family(name) in ("qsv", "vaapi")]


@pytest.fixture
def dri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /dev/dri."""
    for module in (encoders, render_nodes):
        monkeypatch.setattr(module, "DRI", tmp_path)
    return tmp_path


@pytest.fixture
def gpu_that_is_none(dri: Path) -> int:
    """A device file that can be opened, and is no GPU's."""
    (dri / "renderD129").symlink_to("/dev/null")
    return 1


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_ffmpeg_can_encode_on_the_cpu(program: Path) -> None:
    assert try_all(program, "cpu", None) == [Trial("libx264"), Trial("libx265")]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_card_that_is_not_there_is_refused_with_its_reason(program: Path) -> None:
    refused = try_encoder(program, "h264_nvenc", 0).refused
    if refused is None:
        pytest.skip("this machine has a card that encodes")
    assert refused.kind != "failed", refused.reason


def test_what_is_no_ffmpeg_is_refused() -> None:
    for program in ("/bin/false", "/nowhere/ffmpeg"):
        refused = try_encoder(Path(program), "libx264").refused
        assert refused is not None
        assert refused.kind == "failed"


@pytest.mark.parametrize("encoder", ON_DRI)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_device_that_is_no_gpu_is_refused_with_its_reason(
    program: Path, encoder: EncoderName, gpu_that_is_none: int
) -> None:
    trial = try_encoder(program, encoder, gpu_that_is_none)
    assert (trial.works, trial.modes) == (False, ())
    assert trial.refused is not None
    assert trial.refused.kind in ("no device", "no driver", "absent"), trial.refused.reason


@pytest.mark.parametrize("readable", [True, False])
def test_what_a_gpu_writes_must_be_playable(dri: Path, readable: bool) -> None:
    gpus = make_gpus(dri, PROGRAMS[0], {0: ("VBR", "CQP")})
    if not readable:
        gpus.write_nonsense()
    trial = try_encoder(gpus.program, "h264_vaapi", 0)
    assert trial.works is readable
    assert trial.modes == (("vbr", "cqp") if readable else ())
    assert readable or (trial.refused is not None and "can't be decoded" in trial.refused.reason)


def test_each_encoder_is_tried_on_each_device_until_one_works(dri: Path) -> None:
    for number in (128, 130):
        (dri / f"renderD{number}").symlink_to("/dev/null")
    (dri / "card0").symlink_to("/dev/null")
    trials = [(t.encoder, t.gpu) for t in try_all(NO_FFMPEG, "vaapi", None)]
    assert trials == [
        ("h264_vaapi", 0),
        ("h264_vaapi", 2),
        ("hevc_vaapi", 0),
        ("hevc_vaapi", 2),
        ("libx264", None),
        ("libx265", None),
    ]


def test_only_the_named_gpus_are_tried(dri: Path) -> None:
    (dri / "renderD128").symlink_to("/dev/null")
    trials = [t for t in try_all(NO_FFMPEG, "qsv", (1,)) if family(t.encoder) == "qsv"]
    assert [t.gpu for t in trials] == [1, 1]
    assert {t.refused.reason for t in trials if t.refused} == {
        f"{dri}/renderD129 does not exist: correct cutting.gpus"
    }


def test_without_any_device_no_ffmpeg_is_started(dri: Path) -> None:
    trials = [t for t in try_all(NO_FFMPEG, "vaapi", None) if t.encoder in ON_DRI]
    assert [t.refused for t in trials] == [render_nodes.NO_FOLDER] * 2


def test_what_works_is_not_tried_again() -> None:
    works = Trial("h264_nvenc", 0)
    trials = try_all(NO_FFMPEG, "nvenc", (0,), known=[works])
    assert trials[0] is works


def test_who_may_not_open_the_device_learns_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:  # one that others may enter
        os.chmod(folder, 0o755)
        monkeypatch.setattr(encoders, "DRI", Path(folder))
        encoders.render_node(0).touch(mode=0o600)
        refused = as_user(65_533, [65_533], lambda: render_nodes.unusable(0, "vaapi"))
    assert refused is not None
    assert refused.kind == "no permission"
    assert "let it join the file's group" in refused.reason


@pytest.mark.parametrize(
    ("vendor", "refused"),
    [
        ("0x8086", []),
        ("0x1002", ["qsv"]),
        ("0x10de", ["qsv", "vaapi"]),
        (None, []),
    ],
)
def test_a_gpu_is_tried_with_what_its_maker_supports(
    dri: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vendor: str | None, refused: list[str]
) -> None:
    monkeypatch.setattr(render_nodes, "_SYSTEM", tmp_path / "drm")
    (dri / "renderD128").symlink_to("/dev/null")
    device = tmp_path / "drm" / "renderD128" / "device"
    device.mkdir(parents=True)
    if vendor is not None:
        (device / "vendor").write_text(f"{vendor}\n")
    kinds = [kind for kind in families("auto") if kind in ("qsv", "vaapi")]
    assert [kind for kind in kinds if render_nodes.unusable(0, kind) is not None] == refused
