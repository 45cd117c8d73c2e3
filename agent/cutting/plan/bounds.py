"""Limits on the size of frames, and on the tracks and chapters of a clip. Pure."""

from __future__ import annotations

from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.shape import named_size, shown_size
from agent.cutting.plan.spec import CutSpec
from clipping.errors import TooLarge

MOST_CHAPTERS = 1000
MOST_TRACKS = 64
"""Including the video stream."""


def refuse_large(name: str, info: MediaInfo, spec: CutSpec, max_pixels: int) -> None:
    """Raise `TooLarge` when the recording's frames or the requested ones have more pixels."""
    video = info.video_stream.video if info.video_stream is not None else None
    if video is None:
        return
    if video.width * video.height > max_pixels:
        raise TooLarge(
            f"{name} has frames of {video.width}x{video.height}, "
            f"more than the {max_pixels} pixels that cutting.max_pixels allows"
        )
    width, height = named_size(spec.output, spec.effects) or shown_size(video, spec.output)
    if width * height > max_pixels:
        raise TooLarge(
            f"a frame of {width}x{height} has more than the {max_pixels} pixels that cutting.max_pixels "
            "allows: choose a smaller output.width or output.height"
        )


def track_warnings(dropped: int) -> tuple[str, ...]:
    """The report's warning about dropped tracks."""
    if not dropped:
        return ()
    return (f"{dropped} tracks of the recording are dropped: a clip has at most {MOST_TRACKS}",)


def chapter_warnings(info: MediaInfo) -> tuple[str, ...]:
    """The report's warning about dropped chapters."""
    if not info.more_chapters:
        return ()
    if not info.chapters:
        return ("the recording has too many chapters to read: none is kept",)
    return (f"the recording has more than {MOST_CHAPTERS} chapters: only the first {MOST_CHAPTERS} are kept",)
