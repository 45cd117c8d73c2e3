"""Which container holds a copied video stream, and which audio is copied into it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipping.contract.choices import ContainerName


@dataclass(frozen=True)
class Container:
    """A kind of output file."""

    muxer: str
    extension: str
    content_type: str

    @property
    def boxed(self) -> bool:
        """Whether it consists of ISO boxes, with an index that belongs in front."""
        return self.muxer in ("mp4", "mov")


MP4 = Container("mp4", "mp4", "video/mp4")
MOV = Container("mov", "mov", "video/quicktime")
MATROSKA = Container("matroska", "mkv", "video/x-matroska")
WEBM = Container("webm", "webm", "video/webm")
NAMED: dict[ContainerName, Container] = {"mp4": MP4, "mov": MOV, "mkv": MATROSKA}
"""By the names that callers use."""

_WEB_AUDIO = frozenset({"vorbis", "opus"})
_STUDIO = frozenset({"prores", "dvvideo", "dnxhd", "mjpeg", "qtrle", "rawvideo", "v210", "cfhd"})
"""Every frame is a keyframe: these come out of a copy exact to the frame, and editing programs want MOV."""
_STUDIO_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac"})
_PLAYS_EVERYWHERE = frozenset({"LC", "HE-AAC", "HE-AACv2"})

_TEXTS = frozenset({"subrip", "ass", "mov_text", "webvtt", "text"})
_BITMAP_TEXTS = frozenset({"hdmv_pgs_subtitle", "dvb_subtitle", "dvd_subtitle"})

_QUICKTIME_LANGUAGES = {
    "deu": "ger",
    "ell": "gre",
    "hye": "arm",
    "isl": "ice",
    "kat": "geo",
    "mkd": "mac",
    "nld": "dut",
    "sqi": "alb",
    "zho": "chi",
}
"""libavformat knows QuickTime's languages by their bibliographic codes, and drops what it does not know."""


def language_for(container: Container, code: str) -> str:
    """The code by which the container's muxer knows a language (ISO 639-2)."""
    return _QUICKTIME_LANGUAGES.get(code, code) if container.muxer == "mov" else code


def container_for(video: str, audio: Sequence[str]) -> Container:
    """Where a copy of a `video` stream goes, with the recording's `audio` codecs beside it."""
    if video in ("h264", "hevc", "mpeg4"):
        return MP4
    if video in _STUDIO:
        return MOV
    if video in ("vp8", "vp9", "av1"):
        if all(codec in _WEB_AUDIO for codec in audio):
            return WEBM
        return MATROSKA if video == "vp8" else MP4
    return MATROSKA


def holds(container: Container, video: str) -> bool:
    """Whether a `video` stream can be copied into the requested container."""
    if container.muxer == "mp4":
        return video in ("h264", "hevc", "mpeg4", "vp9", "av1")
    if container.muxer == "mov":
        return video in ("h264", "hevc", "mpeg4", "mpeg2video") or video in _STUDIO
    return True


def copies_audio(container: Container, codec: str, profile: str | None) -> bool:
    """Whether an audio track goes over as it is. If not it is encoded as AAC.

    MP4 is for browsers and phones: AAC and MP3 play there, while AC-3, DTS, MP2 and PCM fit in and stay
    silent.
    """
    match container.muxer:
        case "mp4":
            return codec == "mp3" or (codec == "aac" and profile in _PLAYS_EVERYWHERE)
        case "mov":
            return codec in _STUDIO_AUDIO or codec.startswith(("pcm_s16", "pcm_s24", "pcm_s32"))
        case "webm":
            return codec in _WEB_AUDIO
        case _:
            return True


def subtitles_as(container: Container, codec: str) -> str | None:
    """What subtitles become in the container: their own codec, another one for text, or None: it has none."""
    match container.muxer:
        case "mp4" | "mov":
            return "mov_text" if codec in _TEXTS else None
        case "webm":
            return codec if codec == "webvtt" else None
        case _ if codec == "mov_text":
            return "subrip"
        case _:
            return codec if codec in _TEXTS | _BITMAP_TEXTS else None


def captions_as(container: Container) -> str:
    """The codec of a text track that is made for the container."""
    match container.muxer:
        case "mp4" | "mov":
            return "mov_text"
        case "webm":
            return "webvtt"
        case _:
            return "subrip"
