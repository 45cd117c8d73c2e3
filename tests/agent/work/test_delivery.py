"""The facts about a clip or reel always fit into the metadata of its object."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agent.work.delivery import FRAMING_LOST, MAX_FACTS, MAX_REPORTED, PARTS_LOST, Courier, Facts, Stored
from agent.work.kinds import object_key
from clipping.clock import ManualClock
from clipping.config import validate
from clipping.contract.messages import RequestMessage, parse_clip_request
from clipping.contract.report import (
    AudioReport,
    DroppedStream,
    FramingReport,
    PartReport,
    Range,
    Report,
    SourceReport,
    VideoReport,
    WindowReport,
)
from clipping.store.memory import MemoryStore
from clipping.store.owners import OwnerStores


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


@pytest.mark.sampled(5, slow=2)
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


def framed(keyframes: int, **rest: int) -> Facts:
    windows = [
        WindowReport(time=n / 2, x=n * 1.25, y=0.0, width=607.5, height=1080.0) for n in range(keyframes)
    ]
    framing = FramingReport(keyframes=windows, interpolation="spline", target_width=1080, target_height=1920)
    whole = facts(**rest)
    return whole.model_copy(update={"report": whole.report.model_copy(update={"framing": framing})})


def test_a_short_framing_is_in_the_metadata() -> None:
    whole = framed(40)
    assert Facts.model_validate_json(whole.to_metadata()) == whole


def test_a_long_framing_is_in_the_completion_only() -> None:
    whole = framed(500, warnings=3)
    text = whole.to_metadata()
    assert len(text.encode()) <= MAX_FACTS
    kept = Facts.model_validate_json(text).report
    assert kept.framing is None
    assert kept.warnings == [FRAMING_LOST, *whole.report.warnings]
    assert whole.within(MAX_REPORTED) == whole


def test_facts_of_an_ordinary_clip_are_complete() -> None:
    whole = facts(dropped=16, warnings=8, length=60)
    assert Facts.model_validate_json(whole.to_metadata()) == whole


def of_reel(parts: int, *, warnings: int = 0) -> Facts:
    whole = facts()
    reported = [
        PartReport(
            index=index,
            start_seconds=index * 12.345678,
            end_seconds=(index + 1) * 12.345678,
            mode="smart",
            requested=Range(start=1234.567, end=1246.912),
            actual=Range(start=1234.567, end=1246.912),
            frames=370,
            reencoded_seconds=1.966667,
            dropped_streams=[DroppedStream(index=2, codec="bin_data", reason="not supported in mp4")],
            warnings=["ü" * 60] * warnings,
            source=SourceReport(size=12_345_678_901, modified=1_700_000_000.123, growing=False),
        )
        for index in range(parts)
    ]
    report = whole.report.model_copy(update={"parts": reported, "warnings": ["of the reel"]})
    return whole.model_copy(update={"report": report})


def test_a_small_reel_keeps_its_parts() -> None:
    whole = of_reel(5, warnings=1)
    assert Facts.model_validate_json(whole.to_metadata()) == whole


def test_the_details_of_parts_are_left_out_first() -> None:
    whole = of_reel(15, warnings=10)
    kept = Facts.model_validate_json(whole.to_metadata()).report
    assert kept.parts is not None
    assert [part.end_seconds for part in kept.parts] == [
        part.end_seconds for part in whole.report.parts or []
    ]
    assert {(len(part.warnings), len(part.dropped_streams), part.source) for part in kept.parts} == {
        (0, 0, None)
    }
    assert kept.warnings == [PARTS_LOST, "of the reel"]


def test_the_parts_are_left_out_when_there_are_many() -> None:
    whole = of_reel(50, warnings=10)
    text = whole.to_metadata()
    assert len(text.encode()) <= MAX_FACTS
    kept = Facts.model_validate_json(text).report
    assert (kept.parts, kept.warnings) == (None, [PARTS_LOST, "of the reel"])
    assert kept.video == whole.report.video


def test_a_completion_has_all_that_a_reel_of_many_parts_reports() -> None:
    whole = of_reel(50, warnings=20)
    assert whole.within(MAX_REPORTED) == whole


@pytest.mark.parametrize(("aspect", "lasts"), [("16:9", 604_800), ("9:16", 86_400)])
def test_a_link_does_not_outlive_a_vertical_clip(aspect: str, lasts: int, tmp_path: Path) -> None:
    clock = ManualClock()
    store = MemoryStore(clock)
    stores = OwnerStores(validate({}), store)
    courier = Courier(stores, agent_id="nas-1", signed_url_seconds=604_800, short_seconds=86_400)
    fields = {"nas_video_path": "/nas/a.mp4", "start_seconds": 1, "end_seconds": 2, "hand_id": "h"}
    wanted = parse_clip_request({**fields, "output": {"aspect": aspect}}, max_clip_seconds=60)
    message = RequestMessage.of(
        wanted, request_id="clip-20261120-8t3vq0z6m4k1h9pn", owner="web", requested_at=clock.now()
    )
    (tmp_path / "clip").write_bytes(b"clip")
    key = object_key(message, "mp4")
    info = store.create(key, tmp_path / "clip", content_type="video/mp4", metadata={})
    delivered = courier.link(Stored(info, store.uri(key), facts()), message)
    assert delivered.expires_at == clock.now() + timedelta(seconds=lasts)
