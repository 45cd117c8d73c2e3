"""What a recording holds, and whether a browser can play its packets."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import islice

import av
import av.container

from agent.cutting.formats.dts import WINDOW
from agent.cutting.formats.media import StreamInfo
from agent.cutting.formats.packets import pts_of
from agent.cutting.formats.streams import context_of, tick_of, video_stream
from agent.cutting.plan.shape import shown_size
from agent.cutting.preview.codecs import name_of, plays
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import Description, Playable, StreamDescription
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import seek_back
from agent.cutting.reading.source import grown
from clipping.contract.output import AS_IS

_GROWING_SECONDS = 10
"""A file that was changed so recently is perhaps still written."""
_BACK = Fraction(2)
_NO_TIMES = frozenset({"avi"})
"""Containers that store no presentation times."""


def describe(media: Media) -> Description:
    """See `Previews.describe`."""
    info, video = media.info, media.video
    with media.near(info.zero, info.zero + 1) as container:
        names = {s.index: _name(container, s) for s in info.streams}
        start = None if video is None else _first_shown(media, container, video)
    audio = audio_of(media)
    reason = None if video is None else why_not_copied(media)
    size = None if video is None or video.video is None else shown_size(video.video, AS_IS)
    return Description(
        playable=_playable(media, reason, audio),
        reason=reason,
        streams=tuple(_stream(s, names[s.index]) for s in info.streams),
        video=None if video is None else video.index,
        audio=None if audio is None else audio.index,
        duration=info.duration,
        start=start or Fraction(0),
        shift=max(Fraction(0), -(start or Fraction(0))),
        fps=None if video is None or video.video is None else video.video.rate,
        width=None if size is None else size[0],
        height=None if size is None else size[1],
        rotation=0 if video is None or video.video is None else video.video.rotation,
        timecode=info.timecode,
        recorded=info.recorded,
        growing=_growing(media),
        size=media.source.identity.size,
    )


def audio_of(media: Media) -> StreamInfo | None:
    """The audio stream that windows contain: the default one, else the first. Of equals, one that browsers
    play, which need not be encoded."""
    usable = [stream for stream in media.info.audio_streams if plays(stream) or _can_be_decoded(stream)]
    return min(usable, key=lambda stream: (not stream.default, not plays(stream)), default=None)


def _can_be_decoded(stream: StreamInfo) -> bool:
    known = stream.audio is not None and stream.audio.sample_rate > 0 and stream.audio.channels > 0
    return known and stream.codec in av.codecs_available


def why_not_copied(media: Media) -> str | None:
    """Why the packets of the video stream can't be copied into windows; None where they can."""
    video = media.video
    if video is None:
        return "it has no video stream"
    if not plays(video):
        profile = f" {video.profile}" if video.profile and video.codec == "h264" else ""
        return f"browsers don't play {video.codec}{profile}"
    if media.info.demuxer in _NO_TIMES:
        return "its container stores no times at which frames are shown"
    if media.index is not None and len(media.index.parts) > 1:
        return "it is edited: its edit list has several parts"
    return None


def _playable(media: Media, reason: str | None, audio: StreamInfo | None) -> Playable:
    video = media.video
    if video is not None and video.codec in av.codecs_available:
        return "copy" if reason is None else "proxy"
    return "none" if audio is None else "audio"


def _stream(stream: StreamInfo, name: str | None) -> StreamDescription:
    return StreamDescription(
        index=stream.index,
        kind=stream.kind,
        codec=stream.codec,
        mse=name,
        plays=name is not None and plays(stream),
        language=stream.language,
        title=stream.title,
        default=stream.default,
    )


def _name(container: av.container.InputContainer, stream: StreamInfo) -> str | None:
    if stream.kind not in ("video", "audio"):
        return None
    context = context_of(container.streams[stream.index])
    return None if context is None else name_of(stream, context.extradata)


def _first_shown(media: Media, container: av.container.InputContainer, video: StreamInfo) -> Fraction | None:
    """When the first frame is shown, one that an edit list hides included."""
    stream = video_stream(container, video.index)
    tick = tick_of(stream)
    begin = 0 if stream.start_time is None else stream.start_time
    try:
        seek_back(container, stream, begin * tick - _BACK)
    except av.error.FFmpegError:
        return None
    shown = [pts_of(p) for p in islice(packets(container, [stream]), WINDOW) if p.pts is not None]
    return min(shown) * tick - media.info.zero if shown else None


def _growing(media: Media) -> bool:
    age = time.time() - media.source.identity.mtime_ns / 1e9
    return 0 <= age < _GROWING_SECONDS or grown(media.source)
