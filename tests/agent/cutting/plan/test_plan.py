"""Which way a clip is made, and why: decided without touching a file."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting.formats.containers import MATROSKA, MOV, MP4, WEBM, Container, container_for, copies_audio
from agent.cutting.formats.media import AudioInfo, Identity, MediaInfo, StreamInfo, VideoInfo
from agent.cutting.plan.plan import plan_cut
from agent.cutting.plan.spec import CutSpec
from clipping.contract.choices import Mode
from clipping.contract.output import Output
from clipping.errors import RangeBeyondEnd, SourceHasNoVideo

VIDEO = VideoInfo(
    width=1920,
    height=1080,
    pix_fmt="yuv420p",
    sample_aspect=Fraction(1),
    rate=Fraction(25),
    interlaced=False,
    rotation=0,
    full_range=False,
    color_space=2,
    color_primaries=2,
    color_transfer=2,
    reorder_frames=2,
)


def stream(index: int, kind: str, codec: str, **more: object) -> StreamInfo:
    plain = StreamInfo(
        index=index,
        kind=kind,  # type: ignore[arg-type]
        codec=codec,
        profile="LC" if codec == "aac" else None,
        time_base=Fraction(1, 90000),
        start=Fraction(10),
        language=None,
        title=None,
        default=True,
        attached_picture=False,
        video=VIDEO if kind == "video" else None,
        audio=AudioInfo(48000, 2) if kind == "audio" else None,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def recording(*streams: StreamInfo, duration: Fraction | None = Fraction(60)) -> MediaInfo:
    return MediaInfo(
        container="mpegts",
        zero=Fraction(10),
        duration=duration,
        identity=Identity(1, 2, 3, 4),
        streams=streams or (stream(0, "video", "h264"), stream(1, "audio", "aac")),
        chapters=(),
        timecode=None,
    )


def spec(start: str, end: str) -> CutSpec:
    return CutSpec(Path("/nas/game.ts"), Fraction(start), Fraction(end), "copy", "high")


@pytest.mark.parametrize(
    ("video", "audio", "container"),
    [
        ("h264", ["aac"], MP4),
        ("hevc", ["ac3"], MP4),
        ("mpeg4", [], MP4),
        ("prores", ["pcm_s24le"], MOV),
        ("dvvideo", ["pcm_s16le"], MOV),
        ("vp9", ["opus"], WEBM),
        ("av1", [], WEBM),
        ("av1", ["aac"], MP4),
        ("vp8", ["mp3"], MATROSKA),
        ("mpeg2video", ["mp2"], MATROSKA),
        ("msmpeg4v3", [], MATROSKA),
    ],
)
def test_a_copy_goes_into_the_container_that_plays_it(
    video: str, audio: list[str], container: Container
) -> None:
    assert container_for(video, audio) is container


@pytest.mark.parametrize(
    ("container", "codec", "profile", "kept"),
    [
        (MP4, "aac", "LC", True),
        (MP4, "aac", "HE-AAC", True),
        (MP4, "aac", "Main", False),
        (MP4, "mp3", None, True),
        (MP4, "ac3", None, False),
        (MP4, "pcm_s16le", None, False),
        (MP4, "opus", None, False),
        (MOV, "pcm_s24le", None, True),
        (MOV, "opus", None, False),
        (WEBM, "opus", None, True),
        (WEBM, "aac", "LC", False),
        (MATROSKA, "dts", None, True),
    ],
)
def test_audio_is_copied_if_players_support_it(
    container: Container, codec: str, profile: str | None, kept: bool
) -> None:
    assert copies_audio(container, codec, profile) is kept


def test_times_count_from_the_recordings_own_zero() -> None:
    plan = plan_cut(recording(), spec("1.5", "3"), "copy")
    assert (plan.start, plan.stop) == (Fraction("11.5"), Fraction(13))


def test_an_encode_always_makes_mp4_with_aac() -> None:
    info = recording(stream(0, "video", "vp9"), stream(1, "audio", "opus"))
    plan = plan_cut(info, spec("1", "2"), "encode")
    assert plan.container is MP4
    assert [(t.action, t.codec) for t in plan.tracks] == [("encode", "aac")]


def test_what_is_left_out_is_named_with_a_reason() -> None:
    info = recording(
        stream(0, "data", "none"),
        stream(1, "audio", "mp3", audio=AudioInfo(0, 0)),
        stream(2, "video", "mjpeg", attached_picture=True),
        stream(3, "video", "h264"),
        stream(4, "audio", "ac3", language="deu"),
        stream(5, "subtitle", "hdmv_pgs_subtitle"),
        stream(6, "video", "h264"),
    )
    plan = plan_cut(info, spec("1", "2"), "copy")
    assert plan.video_stream.index == 3
    assert [(t.source.index, t.position, t.action) for t in plan.tracks] == [(4, 1, "encode")]
    assert {d.index: d.reason for d in plan.dropped} == {
        0: "not video or audio",
        1: "its audio format is unknown",
        2: "cover art",
        5: "mp4 does not support this subtitle format",
        6: "a clip has one video stream",
    }


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_audio_that_is_not_requested_is_not_reported_as_dropped(mode: Mode) -> None:
    info = recording(
        stream(0, "video", "prores"), stream(1, "audio", "pcm_s24le"), stream(2, "audio", "none")
    )
    asked = replace(spec("1", "2"), output=Output(audio=False))
    plan = plan_cut(info, asked, mode)
    assert (plan.tracks, plan.dropped) == ((), ())


def test_audio_that_is_not_requested_does_not_decide_on_the_container() -> None:
    info = recording(stream(0, "video", "vp8"), stream(1, "audio", "mp3"))
    assert plan_cut(info, spec("1", "2"), "copy").container is MATROSKA
    assert plan_cut(info, replace(spec("1", "2"), output=Output(audio=False)), "copy").container is WEBM


def test_a_recording_of_unknown_length_is_not_refused_beforehand() -> None:
    assert plan_cut(recording(duration=None), spec("100", "200"), "copy").stop == 210


@pytest.mark.parametrize(("start", "end"), [("60", "61"), ("70", "71"), ("59", "61.001")])
def test_a_range_past_the_end_is_refused(start: str, end: str) -> None:
    with pytest.raises(RangeBeyondEnd, match="0:01:00"):
        plan_cut(recording(), spec(start, end), "copy")


def test_an_end_up_to_a_second_late_is_not_cut_to_the_length_that_the_file_names() -> None:
    assert plan_cut(recording(), spec("59", "61"), "copy").stop == 71


def test_audio_only_is_refused() -> None:
    with pytest.raises(SourceHasNoVideo):
        plan_cut(recording(stream(0, "audio", "aac")), spec("1", "2"), "copy")
