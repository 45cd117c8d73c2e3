"""The containers' rules hold in libavformat: what they accept, its muxers accept too."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import get_args

import av
import av.container
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.containers import (
    MATROSKA,
    MOV,
    MP4,
    NAMED,
    WEBM,
    Container,
    container_for,
    copies_audio,
    holds,
    language_for,
    subtitles_as,
)
from clipping.contract.choices import ContainerName

ALL = (MP4, MOV, MATROSKA, WEBM)
VIDEO = (
    *(
        "h264",
        "hevc",
        "mpeg4",
        "mpeg2video",
        "mpeg1video",
        "vp8",
        "vp9",
        "av1",
        "theora",
        "msmpeg4v3",
        "wmv3",
    ),
    *("prores", "dvvideo", "dnxhd", "mjpeg", "qtrle", "rawvideo", "v210", "cfhd", "vc1", "flv1", "h263"),
)
AUDIO = (
    *("aac", "mp3", "mp2", "ac3", "eac3", "dts", "alac", "flac", "opus", "vorbis", "wmav2", "truehd"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_alaw"),
)
SUBTITLES = (
    *("subrip", "ass", "mov_text", "webvtt", "text", "dvb_teletext", "eia_608"),
    *("hdmv_pgs_subtitle", "dvb_subtitle", "dvd_subtitle", "xsub"),
)
PROFILES = (None, "LC", "HE-AAC", "HE-AACv2", "Main", "LTP")
CONTAINERS = st.sampled_from(ALL)
AUDIO_SETS = [(), *product(AUDIO), *product(AUDIO, AUDIO)]


@cache
def accepted(container: Container) -> frozenset[str]:
    """The codecs that libavformat's muxer takes."""
    with av.open(io.BytesIO(), "w", format=container.muxer) as opened:
        return frozenset(canonical(name) for name in opened.supported_codecs)


def canonical(name: str) -> str:
    try:
        return av.Codec(name, "r").canonical_name
    except ValueError:
        return av.Codec(name, "w").canonical_name


@pytest.mark.parametrize("container", ALL, ids=lambda c: c.muxer)
def test_a_container_is_described_as_its_muxer_is(container: Container) -> None:
    muxer = av.ContainerFormat(container.muxer, "w")
    assert container.extension in muxer.extensions
    assert container.content_type.startswith("video/")


def test_callers_name_each_container_by_its_extension() -> None:
    assert set(NAMED) == set(get_args(ContainerName))
    assert all(container.extension == name for name, container in NAMED.items())


@pytest.mark.parametrize("video", VIDEO)
def test_the_container_of_a_copy_holds_its_video(video: str) -> None:
    for codecs in AUDIO_SETS:
        container = container_for(video, codecs)
        assert holds(container, video)
        assert container_for(video, codecs[::-1]) is container


@pytest.mark.parametrize("video", VIDEO)
def test_webm_is_chosen_only_where_everything_goes_into_it(video: str) -> None:
    for codecs in AUDIO_SETS:
        if container_for(video, codecs) is WEBM:
            assert {video, *codecs} <= accepted(WEBM)
            assert all(copies_audio(WEBM, codec, None) for codec in codecs)


@pytest.mark.parametrize("container", [MP4, MOV], ids=lambda c: c.muxer)
def test_the_muxer_takes_every_video_that_the_container_is_said_to_hold(container: Container) -> None:
    assert {video for video in VIDEO if holds(container, video)} <= accepted(container)
    assert not holds(container, "theora")


@pytest.mark.parametrize("container", [MP4, MOV, WEBM], ids=lambda c: c.muxer)
def test_the_muxer_accepts_all_copied_audio(container: Container) -> None:
    copied = {codec for codec in AUDIO for profile in PROFILES if copies_audio(container, codec, profile)}
    assert copied <= accepted(container)
    assert copied


@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_alaw", "flac", "opus"])
def test_mov_gets_only_audio_that_editors_support(codec: str) -> None:
    assert not copies_audio(MOV, codec, None)
    assert copies_audio(MOV, "pcm_s24be", None)


@settings(deadline=None)
@given(CONTAINERS, st.sampled_from(AUDIO), st.sampled_from(PROFILES))
def test_only_aac_is_judged_by_its_profile(container: Container, codec: str, profile: str | None) -> None:
    if codec != "aac":
        assert copies_audio(container, codec, profile) == copies_audio(container, codec, None)


@settings(deadline=None)
@given(CONTAINERS, st.sampled_from(SUBTITLES))
def test_the_muxer_takes_what_subtitles_become(container: Container, codec: str) -> None:
    become = subtitles_as(container, codec)
    if become is not None:
        assert become in accepted(container)
        assert subtitles_as(container, become) == become


@pytest.mark.parametrize(
    ("container", "codec", "become"),
    [
        (MP4, "subrip", "mov_text"),
        (MOV, "ass", "mov_text"),
        (MP4, "hdmv_pgs_subtitle", None),
        (WEBM, "webvtt", "webvtt"),
        (WEBM, "subrip", None),
        (MATROSKA, "mov_text", "subrip"),
        (MATROSKA, "ass", "ass"),
        (MATROSKA, "dvd_subtitle", "dvd_subtitle"),
        (MATROSKA, "dvb_teletext", None),
    ],
)
def test_subtitles_keep_their_codec_or_become_the_containers(
    container: Container, codec: str, become: str | None
) -> None:
    assert subtitles_as(container, codec) == become


AUDIO_OF = {"mp4": ("aac", np.float32), "mov": ("pcm_s16le", np.int16), "matroska": ("aac", np.float32)}
FORMATS = {np.float32: "fltp", np.int16: "s16"}
LANGUAGES = ("deu", "ell", "hye", "isl", "kat", "mkd", "nld", "sqi", "zho", "eng", "fra", "spa")


def written(container: Container, codes: Sequence[str]) -> io.BytesIO:
    """A file of the container with one silent track for each language code."""
    file = io.BytesIO()
    codec, kind = AUDIO_OF[container.muxer]
    with av.open(file, "w", format=container.muxer) as out:
        streams = [out.add_stream(codec, rate=48_000, layout="mono") for _ in codes]
        for stream, code in zip(streams, codes, strict=True):
            stream.metadata["language"] = code
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), kind), FORMATS[kind], "mono")
            frame.sample_rate = 48_000
            frame.pts = 0
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    file.seek(0)
    return file


@pytest.mark.parametrize("container", [MP4, MOV, MATROSKA], ids=lambda c: c.muxer)
def test_every_language_survives_its_container(container: Container) -> None:
    languages = [language_for(container, code) for code in LANGUAGES]
    with av.open(written(container, languages)) as read:
        assert [stream.language for stream in read.streams.audio] == languages


@pytest.mark.parametrize("container", [MP4, MOV, MATROSKA], ids=lambda c: c.muxer)
def test_a_boxed_container_begins_with_a_box(container: Container) -> None:
    assert (written(container, ["eng"]).read()[4:8] == b"ftyp") is container.boxed


def test_only_quicktime_has_its_own_codes() -> None:
    assert language_for(MOV, "deu") == "ger"
    assert language_for(MOV, "eng") == "eng"
    assert all(language_for(c, code) == code for c in (MP4, MATROSKA, WEBM) for code in LANGUAGES)
