"""The facts about a clip always fit into the metadata of its object."""

from __future__ import annotations

import pytest

from agent.work.delivery import MAX_FACTS, Facts
from clipping.contract.messages import Report
from clipping.contract.report import AudioReport, DroppedStream, Range, VideoReport


def facts(*, dropped: int = 0, warnings: int = 0, length: int = 20, tracks: int = 1) -> Facts:
    return Facts(
        sha256="0" * 64,
        duration=1.0,
        report=Report(
            mode="copy",
            requested=Range(start=0, end=1),
            actual=Range(start=0, end=1),
            keyframe_lead_seconds=0,
            frames=25,
            reencoded_seconds=0,
            video=VideoReport(codec="h264", width=320, height=200, fps=25),
            audio=[AudioReport(codec="aac", language="eng")] * tracks,
            dropped_streams=[
                DroppedStream(index=n, codec="bin_data", reason="ü" * length) for n in range(dropped)
            ],
            encoder=None,
            warnings=["ü" * length] * warnings,
        ),
    )


@pytest.mark.sampled(5)
@pytest.mark.parametrize("dropped", [0, 16, 1_000])
@pytest.mark.parametrize("warnings", [0, 1, 1_000])
@pytest.mark.parametrize("length", [20, 20_000])
@pytest.mark.parametrize("tracks", [0, 1, 500])
def test_facts_are_never_larger_than_metadata_may_be(
    dropped: int, warnings: int, length: int, tracks: int
) -> None:
    whole = facts(dropped=dropped, warnings=warnings, length=length, tracks=tracks)
    text = whole.to_metadata()
    assert len(text.encode()) <= MAX_FACTS
    kept = Facts.model_validate_json(text)
    assert (kept.sha256, kept.duration, kept.report.frames) == (whole.sha256, 1.0, 25)


def test_facts_of_an_ordinary_clip_are_complete() -> None:
    whole = facts(dropped=16, warnings=8, length=60)
    assert Facts.model_validate_json(whole.to_metadata()) == whole
