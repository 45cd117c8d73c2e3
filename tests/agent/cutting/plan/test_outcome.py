"""The codec that a written clip must have."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import get_args

import av
import pytest

from agent.cutting.plan.encoders import CANDIDATES, CODECS, CPU, EncoderName
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.plan import plan_cut
from clipping.contract.choices import Mode
from tests.agent.cutting.plan.test_plan import recording, spec, stream


def outcome(mode: Mode, encoder: str | None, codec: str = "mpeg2video") -> Outcome:
    plan = replace(plan_cut(recording(stream(0, "video", codec)), spec("1", "2"), "copy"), mode=mode)
    return Outcome(
        plan=plan,
        path=Path("clip"),
        start=plan.start,
        last=plan.stop - Fraction(1, 25),
        end=plan.stop,
        frames=25,
        frame_seconds=Fraction(1, 25),
        usual_seconds=Fraction(1, 25),
        reencoded=Fraction(0),
        audio=(),
        encoder=encoder,
    )


@pytest.mark.parametrize(
    ("encoder", "codec"), [("libx264", "h264"), ("libx265", "hevc"), ("h264_nvenc", "h264")]
)
def test_an_encoded_clip_has_its_encoders_codec(encoder: str, codec: str) -> None:
    assert outcome("encode", encoder).video_codec == codec


@pytest.mark.parametrize(("mode", "encoder"), [("copy", None), ("smart", None), ("smart", "libx264")])
def test_copied_frames_keep_the_recordings_codec(mode: Mode, encoder: str | None) -> None:
    assert outcome(mode, encoder, "hevc").video_codec == "hevc"


def test_every_encoder_has_a_codec_that_a_cpu_encodes_too() -> None:
    assert set(CODECS) == set(get_args(EncoderName)) == set(CANDIDATES)
    for encoder, codec in CODECS.items():
        assert CODECS[CPU[codec]] == codec
        if encoder in av.codec.codecs_available:
            assert av.Codec(encoder, "w").canonical_name == codec
