"""A clip's report: times, lists and warnings, from plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.cutting.formats.containers import MP4
from agent.cutting.formats.media import Identity, MediaInfo, StreamInfo
from agent.cutting.plan.outcome import AudioTrack, Outcome
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.spec import CutSpec
from agent.cutting.report import report
from agent.cutting.verify.verify import Facts
from clipping.contract.report import DroppedStream, Report

FRAME = Fraction(1, 25)


def seconds(most: int, least: int = 0) -> st.SearchStrategy[Fraction]:
    """Times on the ticks of MPEG-TS."""
    return st.integers(least * 90_000, most * 90_000).map(lambda ticks: Fraction(ticks, 90_000))


SECONDS = seconds(100_000)
VIDEO = StreamInfo(
    index=0,
    kind="video",
    codec="h264",
    profile=None,
    time_base=Fraction(1, 90_000),
    start=Fraction(0),
    language=None,
    title=None,
    default=True,
    attached_picture=False,
)


def report_of(
    *,
    begin: Fraction = Fraction(2),
    end: Fraction = Fraction(4),
    asked: tuple[Fraction, Fraction] | None = None,
    zero: Fraction = Fraction(0),
    duration: Fraction | None = Fraction(200_000),
    longest: Fraction = FRAME,
    dropped: int = 0,
    said: tuple[str, ...] = (),
    planned: tuple[str, ...] = (),
    growing: bool = False,
    **made: Any,
) -> Report:
    """The report of a clip that shows `begin` to `end` of what a player shows, `asked` for (the same)."""
    start, stop = asked or (begin, end)
    info = MediaInfo("mpegts", zero, duration, Identity(1, 2, 3000, 1_700_000_000_987_654_321), (), (), None)
    plan = Plan(
        mode="copy",
        start=zero + start,
        stop=zero + stop,
        container=MP4,
        video_stream=VIDEO,
        tracks=(),
        dropped=tuple(DroppedStream(index=n, codec="scte_35", reason="data") for n in range(dropped)),
        warnings=planned,
    )
    frames = made.pop("frames", max(1, round((end - begin) / FRAME)))
    outcome = Outcome(
        plan=plan,
        path=Path("clip.mp4"),
        start=zero + begin,
        last=zero + end - FRAME,
        end=zero + end,
        frames=frames,
        frame_seconds=longest,
        usual_seconds=FRAME,
        **{"reencoded": Fraction(0), "audio": (), **made},
    )
    spec = CutSpec(Path("game.ts"), start, stop, "copy", "high")
    facts = Facts(end - begin, 1920, 1080, frames, 29.97002997)
    return report(spec, info, outcome, facts, said, growing=growing)


@settings(deadline=None)
@given(zero=SECONDS, begin=SECONDS, length=seconds(7200, 1), lead=seconds(30))
def test_times_are_those_of_a_player(
    zero: Fraction, begin: Fraction, length: Fraction, lead: Fraction
) -> None:
    asked = (begin + lead, begin + lead + length)
    found = report_of(zero=zero, begin=begin, end=asked[1], asked=asked)
    assert (found.requested.start, found.requested.end) == (float(asked[0]), float(asked[1]))
    assert found.actual.start == pytest.approx(float(begin), abs=1e-6)
    assert found.actual.end == pytest.approx(float(asked[1]), abs=1e-6)
    assert found.actual.start <= found.actual.end
    assert found.keyframe_lead_seconds == pytest.approx(float(lead), abs=1e-6)
    assert found.warnings == []


def test_a_clip_that_begins_late_has_no_negative_lead() -> None:
    found = report_of(begin=Fraction("2.02"), asked=(Fraction(2), Fraction(4)))
    assert found.keyframe_lead_seconds == 0


def test_times_have_microseconds_at_most() -> None:
    found = report_of(begin=Fraction(7, 3), end=Fraction(14, 3), reencoded=Fraction(1, 3), encoder="libx264")
    times = (found.actual.start, found.actual.end, found.reencoded_seconds, found.video.fps)
    assert times == (2.333333, 4.666667, 0.333333, 29.97)


def test_streams_and_the_file_are_described_as_they_were_found() -> None:
    audio = (
        AudioTrack("aac", "deu", Fraction(0), Fraction(2)),
        AudioTrack("mp3", None, Fraction(0), Fraction(2)),
    )
    found = report_of(audio=audio, encoder="libx264", growing=True)
    assert [(a.codec, a.language) for a in found.audio] == [("aac", "deu"), ("mp3", None)]
    assert (found.mode, found.encoder, found.frames) == ("copy", "libx264", 50)
    assert (found.video.codec, found.video.width, found.video.height) == ("h264", 1920, 1080)
    assert found.source is not None
    assert (found.source.size, found.source.growing) == (3000, True)
    assert found.source.modified == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@settings(deadline=None)
@given(st.integers(0, 300))
@example(100)
@example(101)
def test_few_dropped_streams_are_listed_and_all_are_counted(count: int) -> None:
    found = report_of(dropped=count)
    assert [d.index for d in found.dropped_streams] == list(range(min(count, 100)))
    if count <= 100:
        assert found.warnings == []
    else:
        (warning,) = found.warnings
        assert warning.startswith(f"{count} streams ")
        assert "first 100" in warning


@settings(deadline=None)
@given(
    missing=st.integers(0, 500).map(lambda n: Fraction(n, 1000)),
    longest=st.integers(40, 400).map(lambda n: Fraction(n, 1000)),
)
def test_an_early_end_is_reported_if_it_exceeds_a_frame(missing: Fraction, longest: Fraction) -> None:
    asked = (Fraction(2), Fraction(40))
    found = report_of(end=asked[1] - missing, asked=asked, longest=longest)
    if missing <= max(Fraction(1, 10), longest):
        assert found.warnings == []
    else:
        (warning,) = found.warnings
        assert "video stream ends" in warning
        assert f"{float(missing):.3f} s before" in warning


def test_a_range_past_the_recordings_end_is_reported() -> None:
    asked = (Fraction(2), Fraction("60.05"))
    (warning,) = report_of(end=Fraction(60), asked=asked, duration=Fraction(60)).warnings
    assert warning.startswith("the recording ends at 0:01:00.000, ")
    assert "0.050 s" in warning


def test_the_end_is_compared_with_the_recordings_length_only_where_that_is_known() -> None:
    asked = (Fraction(2), Fraction(60))
    assert report_of(end=Fraction("59.95"), asked=asked, duration=None).warnings == []
    (warning,) = report_of(end=Fraction(50), asked=asked, duration=None).warnings
    assert "the video stream" in warning


@pytest.mark.parametrize(
    ("longest", "end", "gap"),
    [
        (Fraction("0.5"), Fraction(4), False),
        (Fraction("0.501"), Fraction(4), True),
        (Fraction(3), Fraction(60), True),
    ],
)
def test_a_long_frame_is_reported_as_missing_frames(longest: Fraction, end: Fraction, gap: bool) -> None:
    found = report_of(end=end, longest=longest)
    assert [f"shows one frame for {float(longest):.3f} s" in warning for warning in found.warnings] == [
        True
    ] * gap


def test_a_recording_of_few_frames_may_have_long_frames() -> None:
    # At a frame a second, 1.2 s are not a gap.
    begin, end = Fraction(0), Fraction(2)
    assert len(report_of(begin=begin, end=end, longest=Fraction("1.2")).warnings) == 1
    few = report_of(begin=begin, end=end, longest=Fraction("1.2"), frames=2)
    assert few.warnings == []


def test_warnings_come_in_the_order_of_the_work() -> None:
    found = report_of(
        end=Fraction(39),
        asked=(Fraction(2), Fraction(40)),
        longest=Fraction("0.9"),
        dropped=101,
        said=("read",),
        planned=("planned",),
        warnings=("written",),
    )
    assert [warning.split()[0] for warning in found.warnings] == [
        "read",
        "planned",
        "the",
        "the",
        "101",
        "written",
    ]
    assert "ends at" in found.warnings[2]
    assert "shows one frame" in found.warnings[3]
