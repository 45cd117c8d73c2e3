"""Makes the poster and the contact sheet of a clip: what runs in the child process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from agent.cutting.formats.media import VideoInfo
from agent.cutting.formats.streams import tick_of, video_stream
from agent.cutting.plan.shape import shown_size
from agent.cutting.posters.choice import Look, columns_of, is_walked, middles, poster_of, tiles_of, within
from agent.cutting.posters.orders import PosterOrder, Posters
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import PreviewSettings
from agent.cutting.preview.scaling import image_of, jpeg_of
from agent.cutting.preview.shown import nothing
from agent.cutting.preview.stills import keyframe
from agent.cutting.process.context import Context
from agent.cutting.reading.source import SourceFile, limit_pixels, open_source
from clipping.contract.output import AS_IS

POSTER_BOX, TILE_BOX = 640, 240
"""Pixels: neither side is longer."""


def make_posters(context: Context, descriptor: int, order: PosterOrder) -> Posters:
    """The job. Raises as `posters_of`."""
    limit_pixels(order.max_pixels)
    source = SourceFile(order.name, descriptor, order.identity)
    return posters_of(
        source, order.folder, PreviewSettings(max_pixels=order.max_pixels), encoded=order.encoded
    )


def posters_of(clip: SourceFile, folder: Path, settings: PreviewSettings, *, encoded: bool) -> Posters:
    """The posters of a clip's file. `encoded`: see `PosterOrder`.

    Raises `SourceCorrupt` when no frame can be decoded, `SourceHasNoVideo`, `TooLarge`.
    """
    with Media(clip, settings) as media:
        found = frames_of(media, encoded=encoded)
        if not found:
            raise nothing(media)
        assert media.video is not None
        assert media.video.video is not None
        return _written(found, media.video.video, folder)


def frames_of(media: Media, *, encoded: bool) -> list[VideoFrame]:
    """Frames near the middles of equal parts of the clip, in the order of time: keyframes, or where there are
    too few, and the clip is small, others too."""
    length, zero = media.info.duration or Fraction(0), media.info.zero
    with media.near(zero, zero) as container:
        context = media.video_in(container).codec_context
        pixels = context.width * context.height
    times = middles(length, tiles_of(pixels))
    found: dict[Fraction, VideoFrame] = {}
    for at in times:
        if (key := keyframe(media, zero + at, set(found))) is not None:
            found.setdefault(*key)
    frames = float(length * (media.video_rate or 0))
    if len(found) < len(times) and is_walked(frames, pixels, encoded=encoded):
        walked = list(_walked(media, times))
        if len(walked) > len(found):
            return walked
    return [found[at] for at in sorted(found)]


def _walked(media: Media, times: list[Fraction]) -> Iterator[VideoFrame]:
    """The first frame at or behind each of these times, each once, by decoding the whole clip: of its frames
    those that others refer to."""
    wanted = list(times)
    with open_source(media.source) as container:
        video = video_stream(container, media.video_in(container).index)
        video.thread_type = "AUTO"
        video.codec_context.skip_frame = "NONREF"
        tick = tick_of(video)
        last: VideoFrame | None = None
        try:
            for frame in container.decode(video):
                if frame.pts is None or frame.is_corrupt:
                    continue
                last = frame
                at = frame.pts * tick - media.info.zero
                if wanted and at >= wanted[0]:
                    yield frame
                    last = None
                    wanted = [time for time in wanted if time > at]
        except av.error.FFmpegError:
            return
        if wanted and last is not None:
            yield last


def _written(frames: list[VideoFrame], video: VideoInfo, folder: Path) -> Posters:
    size = shown_size(video, AS_IS)
    tile = within(size, TILE_BOX)
    tiles = [image_of(frame, video, tile) for frame in frames]
    chosen = frames[poster_of([look_of(image) for image in tiles])]
    made = Posters(folder / "poster.jpg", folder / "sheet.jpg")
    made.poster.write_bytes(jpeg_of(image_of(chosen, video, within(size, POSTER_BOX))))
    made.sheet.write_bytes(jpeg_of(_sheet(tiles, tile)))
    return made


def look_of(image: Image.Image) -> Look:
    """The brightness of an image."""
    luma = np.asarray(image.convert("L"), np.float32)
    return Look(float(luma.mean()), float(luma.std()))


def _sheet(tiles: list[Image.Image], tile: tuple[int, int]) -> Image.Image:
    width, height = tile
    columns = columns_of(len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for number, image in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(image, (column * width, row * height))
    return sheet
