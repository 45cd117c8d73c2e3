"""Frames as they are shown: scaled to square pixels, and turned."""

from __future__ import annotations

import io

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from agent.cutting.formats.media import VideoInfo
from agent.cutting.plan.shape import shown_size
from clipping.contract.output import AS_IS

_QUALITY = 82
_BOX = (640, 360)


def tile_size(video: VideoInfo, height: int) -> tuple[int, int]:
    """Width and height of a frame at most `height` pixels high, and no larger than it is."""
    width, full = shown_size(video, AS_IS)
    high = min(height, full)
    return max(2, round(width * high / full)), high


def proxy_size(video: VideoInfo) -> tuple[int, int]:
    """Even width and height within 640x360, or 360x640 for frames that are higher than wide."""
    width, height = shown_size(video, AS_IS)
    long, short = _BOX
    box = (long, short) if width >= height else (short, long)
    scale = min(box[0] / width, box[1] / height, 1.0)
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def image_of(frame: VideoFrame, video: VideoInfo, size: tuple[int, int]) -> Image.Image:
    """The frame as it is shown, in this size."""
    width, height = _unturned(video, size)
    pixels = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, video.rotation // 90)))


def jpeg_of(image: Image.Image) -> bytes:
    """As a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def small_frame(frame: VideoFrame, video: VideoInfo, size: tuple[int, int]) -> VideoFrame:
    """The frame as it is shown, in this size, as 4:2:0 with 8 bits."""
    width, height = _unturned(video, size)
    scaled = frame.reformat(width=width, height=height, format="yuv420p")
    if video.rotation == 0:
        return scaled
    data = scaled.to_ndarray()
    turns = video.rotation // 90
    luma = np.rot90(data[:height], turns)
    quarter = width * height // 4
    chroma = data[height:].reshape(2, quarter).reshape(2, height // 2, width // 2)
    planes = [np.rot90(plane, turns).reshape(-1) for plane in chroma]
    turned = np.concatenate([luma.reshape(-1), *planes]).reshape(size[1] * 3 // 2, size[0])
    return VideoFrame.from_ndarray(np.ascontiguousarray(turned), format="yuv420p")


def _unturned(video: VideoInfo, size: tuple[int, int]) -> tuple[int, int]:
    return (size[1], size[0]) if video.rotation in (90, 270) else size
