"""Frames as JPEG: one exactly, or many keyframes in one image."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import av
import av.container
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from agent.cutting.formats.streams import tick_of
from agent.cutting.preview.media import Media, decoder_of
from agent.cutting.preview.models import Still, Strip
from agent.cutting.preview.scaling import image_of, jpeg_of, tile_size
from agent.cutting.preview.shown import nothing, shown
from agent.cutting.reading.demux import packets
from agent.cutting.reading.seek import seek_back

_COLUMNS = 10
_BACK = Fraction(1)
"""Seconds before a point at which to begin where a seek ends at any frame."""
_MOST_PACKETS = 2048
"""Read in search of a keyframe where a seek does not end at one."""
_MOST_PIXELS = 32 << 20


def still(media: Media, t: Fraction, height: int) -> Still:
    """See `Previews.still`."""
    media.check_within(t)
    at = media.info.zero + t
    with media.near(at, at + 1) as container:
        video = media.video_in(container)
        assert media.video is not None
        assert media.video.video is not None
        frame = next(shown(media, video, [], at, at + 1).frames(container), None)
        if frame is None or frame.pts is None:
            raise nothing(media)
        size = tile_size(media.video.video, height)
        image = image_of(frame, media.video.video, size)
        return Still(jpeg_of(image), frame.pts * tick_of(video) - media.info.zero, *size)


def strip(media: Media, start: Fraction, stop: Fraction, n: int, height: int) -> Strip:
    """See `Previews.strip`. Fewer tiles where that would take too long."""
    media.check_within(start, "from")
    video = media.video
    width, high = (2, 2) if video is None or video.video is None else tile_size(video.video, height)
    found: dict[Fraction, Image.Image] = {}
    for number in range(min(n, max(1, _MOST_PIXELS // (width * high)))):
        at = start + (stop - start) * (2 * number + 1) / (2 * n)
        if media.info.duration is not None and at >= media.info.duration and found:
            break
        key = keyframe(media, media.info.zero + at, set(found))
        if key is not None:
            assert video is not None
            assert video.video is not None
            time, frame = key
            found.setdefault(time, image_of(frame, video.video, (width, high)))
        if media.late:
            break
    if not found:
        raise nothing(media)
    times = sorted(found)
    columns = min(_COLUMNS, len(times))
    rows = -(-len(times) // columns)
    sheet = Image.new("RGB", (columns * width, rows * high))
    for number, time in enumerate(times):
        row, column = divmod(number, columns)
        sheet.paste(found[time], (column * width, row * high))
    return Strip(jpeg_of(sheet), tuple(times), columns, width, high, stop)


def keyframe(media: Media, at: Fraction, known: set[Fraction]) -> tuple[Fraction, VideoFrame] | None:
    """A keyframe near `at`, in seconds of the container, and when it is shown; None where that is known or
    can't be decoded. Raises as `Media.video_in`."""
    with media.near(at, at) as container:
        return _keyframe(media, container, at, known)


def _keyframe(
    media: Media, container: av.container.InputContainer, at: Fraction, known: set[Fraction]
) -> tuple[Fraction, VideoFrame] | None:
    video = media.video_in(container)
    tick = tick_of(video)
    back = _BACK if media.info.demuxer in ("mpegts", "mpeg") else 0
    with suppress(av.error.FFmpegError):
        seek_back(container, video, at - back)
    for count, packet in enumerate(packets(container, [video])):
        if count > _MOST_PACKETS:
            return None
        if not packet.is_keyframe or packet.size == 0:
            continue
        if packet.pts is not None and packet.pts * tick - media.info.zero in known:
            return None
        frame = _alone(video, packet)
        if frame is not None and frame.pts is not None:
            return frame.pts * tick - media.info.zero, frame
    return None


def _alone(video: VideoStream, packet: object) -> VideoFrame | None:
    """The frame of a keyframe's packet, without any other."""
    decoder = decoder_of(video, flags2="showall")
    decoder.thread_type = "SLICE"
    assert isinstance(packet, av.Packet)
    try:
        found = [*decoder.decode(packet), *decoder.decode(None)]
    except av.error.FFmpegError:
        return None
    return found[0] if found else None
