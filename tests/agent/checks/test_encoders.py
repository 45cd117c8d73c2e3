"""The doctor's findings about encoders."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from agent.checks.encoders import encoder_findings, tried
from agent.checks.findings import Finding
from agent.cutting.plan.encoder_choice import MODES, Trial
from agent.cutting.plan.encoder_refusals import Refused
from agent.cutting.plan.encoders import CANDIDATES, EncoderName, RateMode, Wanted, family
from clipping.config.agent import Cutting

OLD = Refused("driver too old", "the NVIDIA driver is too old")
GONE = Refused("absent", "this ffmpeg was built without it")
NO_NODE = Refused("no device", "there is no /dev/dri here")


def finding(name: EncoderName, wanted: Wanted, *trials: Trial) -> Finding:
    findings = encoder_findings(wanted, trials)
    assert [one.name for one in findings] == [f"encoder {candidate}" for candidate in CANDIDATES]
    return next(one for one in findings if one.name == f"encoder {name}")


@pytest.mark.parametrize(
    ("wanted", "card", "cpu", "good", "words"),
    [
        ("auto", None, None, (True, True), ("encoded 10 frames on GPU 0", "encoded 10 frames")),
        ("auto", OLD, None, (True, True), ("driver is too old; libx264 is used instead", "encoded")),
        ("nvenc", None, None, (True, True), ("encoded", "encoded")),
        ("nvenc", OLD, None, (False, True), ("driver is too old; libx264 is used instead", "encoded")),
        ("auto", None, GONE, (True, True), ("encoded", "built without it; h264_nvenc is used instead")),
        ("auto", OLD, GONE, (False, False), ("nothing can be encoded", "nothing can be encoded")),
        ("nvenc", OLD, GONE, (False, False), ("nothing can be encoded", "nothing can be encoded")),
    ],
)
def test_one_line_for_each_encoder(
    wanted: Wanted,
    card: Refused | None,
    cpu: Refused | None,
    good: tuple[bool, bool],
    words: tuple[str, str],
) -> None:
    trials = (
        Trial("h264_nvenc", 0, (), card),
        *(Trial(name, refused=NO_NODE) for name in CANDIDATES if family(name) in ("qsv", "vaapi")),
        Trial("libx264", refused=cpu),
        Trial("libx265"),
    )
    names: tuple[EncoderName, ...] = ("h264_nvenc", "libx264")
    for name, ok, expected in zip(names, good, words, strict=True):
        found = finding(name, wanted, *trials)
        assert found.ok is ok
        assert expected in found.detail


def test_an_encoder_that_is_not_wanted_is_not_tried() -> None:
    for name in CANDIDATES[:-2]:
        found = finding(name, "cpu", Trial("libx264"), Trial("libx265", refused=GONE))
        assert (found.ok, found.detail) == (True, "not tried: cutting.encoder is cpu")
    found = finding("libx265", "cpu", Trial("libx264"), Trial("libx265", refused=GONE))
    assert (found.ok, found.detail) == (
        True,
        "not used, because this ffmpeg was built without it; clips in HEVC are refused",
    )
    assert finding("hevc_qsv", "vaapi", Trial("libx264")).detail == "not tried: cutting.encoder is vaapi"


@pytest.mark.parametrize(
    ("modes", "detail"),
    [
        (MODES, "encoded 10 frames on GPU 1 (/dev/dri/renderD129) (ICQ, VBR, CQP)"),
        (
            ("cqp",),
            "encoded 10 frames on GPU 1 (/dev/dri/renderD129) (CQP); clips with a limit of their bit rate "
            "are made by the CPU",
        ),
    ],
)
def test_the_rate_modes_of_a_gpu_are_named(modes: tuple[RateMode, ...], detail: str) -> None:
    found = finding("hevc_vaapi", "auto", Trial("hevc_vaapi", 1, modes))
    assert (found.ok, found.detail) == (True, detail)


@pytest.mark.parametrize(("wanted", "ok"), [("auto", True), ("nvenc", False)])
def test_a_gpu_that_fails_is_named_beside_those_that_work(wanted: Wanted, ok: bool) -> None:
    found = finding("h264_nvenc", wanted, Trial("h264_nvenc", 0), Trial("h264_nvenc", 1, (), OLD))
    assert found.ok is ok
    assert found.detail == (
        "encoded 10 frames on GPU 0; GPU 1 is left out, because the NVIDIA driver is too old"
    )


@pytest.mark.parametrize(("h264", "ok"), [(None, True), (GONE, False)])
def test_a_chip_without_hevc_is_no_fault(h264: Refused | None, ok: bool) -> None:
    no_hevc = Trial("hevc_vaapi", 0, (), Refused("no encoder", "the GPU can't"))
    found = finding("hevc_vaapi", "vaapi", Trial("h264_vaapi", 0, MODES, h264), no_hevc, Trial("libx265"))
    assert (found.ok, found.detail) == (ok, "not used, because the GPU can't; libx265 is used instead")


def test_each_gpu_that_fails_has_its_reason() -> None:
    found = finding(
        "h264_nvenc",
        "auto",
        Trial("h264_nvenc", 0, (), OLD),
        Trial("h264_nvenc", 1, (), GONE),
        Trial("libx264"),
    )
    assert found.detail == (
        "not used, because GPU 0: the NVIDIA driver is too old; GPU 1: this ffmpeg was built without it; "
        "libx264 is used instead"
    )


def test_an_ffmpeg_that_is_missing_is_said_of_every_encoder() -> None:
    trials = tried(Path("/nowhere/ffmpeg"), Cutting(), threading.Event())
    assert [trial.encoder for trial in trials] == list(CANDIDATES)
    assert not any(trial.works for trial in trials)


def test_the_encoders_of_this_machine_are_found() -> None:
    trials = tried(None, Cutting(encoder="vaapi"), threading.Event())
    findings = {one.name: one for one in encoder_findings("vaapi", trials)}
    assert findings["encoder libx264"].ok
    works = any(trial.works for trial in trials if trial.encoder == "h264_vaapi")
    assert findings["encoder h264_vaapi"].ok is works
