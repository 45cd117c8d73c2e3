"""What the doctor says of the encoders: what is wrong, and what is used instead."""

from __future__ import annotations

import pytest

from agent.cutting.encoders import EncoderName, Refused
from agent.doctor import Wanted, encoder_findings

OLD = Refused("driver too old", "the NVIDIA driver is too old")
GONE = Refused("absent", "this ffmpeg was built without it")
Tried = dict[EncoderName, Refused | None]


@pytest.mark.parametrize(
    ("wanted", "card", "cpu", "good", "words"),
    [
        ("auto", None, None, (True, True), ("encoded 10 frames", "encoded 10 frames")),
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
    tried: Tried = {"h264_nvenc": card, "libx264": cpu, "libx265": None}
    findings = encoder_findings(wanted, tried)
    assert [finding.name for finding in findings] == [
        "encoder h264_nvenc",
        "encoder libx264",
        "encoder libx265",
    ]
    assert tuple(finding.ok for finding in findings[:2]) == good
    for finding, expected in zip(findings, words, strict=False):
        assert expected in finding.detail


def test_a_card_that_is_not_wanted_is_not_tried() -> None:
    card, cpu, hevc = encoder_findings("cpu", {"libx264": None, "libx265": GONE})
    assert (card.ok, card.detail) == (True, "not tried: cutting.encoder is cpu")
    assert cpu.ok
    assert (hevc.ok, hevc.detail) == (
        True,
        "not used, because this ffmpeg was built without it; clips in HEVC are refused",
    )
