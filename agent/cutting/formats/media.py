"""What a recording holds: plain, frozen data without I/O, so that decisions about it can be tested alone."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Literal

Kind = Literal["video", "audio", "subtitle", "data", "attachment", "unknown"]

_SECOND_NS = 1_000_000_000
HDR_TRANSFERS = frozenset({16, 18})
"""PQ (SMPTE 2084) and HLG, as ITU-T H.273 numbers them."""


@dataclass(frozen=True)
class Identity:
    """Which file this is, and which state of it: changes when it is replaced, shortened or appended to."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    uri: str | None = None
    """Of an object in a bucket, whose device and inode are 0."""
    etag: str | None = None
    """Which state of the object it is."""

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """From `os.stat`."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)

    @classmethod
    def of_object(cls, uri: str, etag: str, size: int, modified: datetime) -> Identity:
        """Of an object: the same on every machine.

        Stores keep times in seconds. What is below a second says which state of which object it is, as
        checkpoints know a recording by its size and time only.
        """
        digest = hashlib.sha256(f"{uri}\0{etag}".encode()).digest()
        below = int.from_bytes(digest[:8], "big") % _SECOND_NS
        return cls(0, 0, size, int(modified.timestamp()) * _SECOND_NS + below, uri, etag)

    def still_holds(self, later: Identity) -> bool:
        """Whether what was read before is still there: the same file, unchanged or appended to."""
        if (self.device, self.inode) != (later.device, later.inode):
            return False
        return self.grew(later) or (self.size, self.mtime_ns) == (later.size, later.mtime_ns)

    def grew(self, later: Identity) -> bool:
        """Whether the file was appended to, as a recording in progress is."""
        return later.size > self.size


@dataclass(frozen=True)
class VideoInfo:
    """How a video stream is coded. Colour fields are ITU-T H.273 code points; 2 is "unspecified"."""

    width: int
    height: int
    pix_fmt: str | None
    sample_aspect: Fraction
    """Width of a pixel by its height; 1 for square ones and if unspecified."""
    rate: Fraction | None
    """Frames a second, averaged; None when unknown."""
    interlaced: bool
    rotation: int
    """Degrees anticlockwise that a player turns its frames by: 0, 90, 180 or 270."""
    full_range: bool
    color_space: int
    color_primaries: int
    color_transfer: int
    reorder_frames: int
    """How many frames a decoder holds back: 0 means frames are stored in the order they are shown."""
    bottom_first: bool = False
    """Of interlaced frames: whether the lower field is shown before the upper one."""

    @property
    def hdr(self) -> bool:
        """Whether it must be tone mapped to look right on an ordinary screen."""
        return self.color_transfer in HDR_TRANSFERS


@dataclass(frozen=True)
class AudioInfo:
    """How an audio stream is coded."""

    sample_rate: int
    channels: int


@dataclass(frozen=True)
class StreamInfo:
    """One stream of the recording."""

    index: int
    kind: Kind
    codec: str
    """libavcodec's name, `tmcd` or `chapters` for a track of timecode or of chapters, `none` where there is
    no decoder."""
    profile: str | None
    time_base: Fraction
    """Seconds a tick."""
    start: Fraction | None
    """Seconds, on the container's own time line."""
    language: str | None
    title: str | None
    default: bool
    attached_picture: bool
    """Whether it is cover art or a thumbnail."""
    video: VideoInfo | None = None
    audio: AudioInfo | None = None

    @property
    def is_video(self) -> bool:
        """A video in the usual sense."""
        return self.kind == "video" and not self.attached_picture


@dataclass(frozen=True)
class Chapter:
    """A named stretch. Times in seconds, of a recording on the container's own time line."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class MediaInfo:
    """A recording as the probe found it. Times in seconds."""

    container: str
    """libavformat's names for it, comma-separated: `mov,mp4,m4a,3gp,3g2,mj2`."""
    zero: Fraction
    """Where a player's 0:00 lies on the container's own time line."""
    duration: Fraction | None
    """From `zero` to the end of the longest stream; None when the file does not say."""
    identity: Identity
    streams: tuple[StreamInfo, ...]
    chapters: tuple[Chapter, ...]
    timecode: str | None
    """SMPTE timecode of what is shown at `zero`."""
    recorded: datetime | None = None
    """The recording time of the frame at `zero`, if the file states it."""
    more_chapters: bool = False
    """Whether the file has more chapters than these."""

    @property
    def demuxer(self) -> str:
        """The container's first name: `mov`, `matroska`, `mpegts` …"""
        return self.container.split(",")[0]

    @property
    def video_stream(self) -> StreamInfo | None:
        """The first video that is no cover art."""
        return next((s for s in self.streams if s.is_video), None)

    @property
    def audio_streams(self) -> tuple[StreamInfo, ...]:
        """The audio tracks, in the file's order."""
        return tuple(s for s in self.streams if s.kind == "audio")

    @property
    def played_codecs(self) -> list[str]:
        """The codecs of its video and audio streams, in the file's order."""
        return [stream.codec for stream in self.streams if stream.kind in ("video", "audio")]
