"""What is too large to be cut, and what of a recording is too much to be kept. Pure."""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.formats.media import MediaInfo, VideoInfo
from clipping.contract.output import Output
from clipping.errors import TooLarge

MOST_CHAPTERS = 1000
MOST_TRACKS = 64
"""The video among them."""


def refuse_large(name: str, info: MediaInfo, output: Output, max_pixels: int) -> None:
    """Raise `TooLarge` when the recording's frames or the requested ones has more pixels than that."""
    video = info.video_stream.video if info.video_stream is not None else None
    if video is None:
        return
    if video.width * video.height > max_pixels:
        raise TooLarge(
            f"{name} has frames of {video.width}x{video.height}, "
            f"more than the {max_pixels} pixels that cutting.max_pixels allows"
        )
    width, height = _requested(video, output)
    if width * height > max_pixels:
        raise TooLarge(
            f"a frame of {width}x{height} has more than the {max_pixels} pixels that cutting.max_pixels "
            "allows: choose a smaller output.width or output.height"
        )


def _requested(video: VideoInfo, output: Output) -> tuple[int, int]:
    if output.size is not None:
        return output.size
    turned = video.rotation in (90, 270)
    aspect = Fraction(video.width, video.height) * video.sample_aspect
    aspect = 1 / aspect if turned else aspect
    if output.width is not None:
        return output.width, round(output.width / aspect)
    if output.height is not None:
        return round(output.height * aspect), output.height
    return video.width, video.height


def track_warnings(left_out: int) -> tuple[str, ...]:
    """What a clip's report says of tracks that are not kept."""
    if not left_out:
        return ()
    return (f"{left_out} tracks of the recording are left out: a clip keeps {MOST_TRACKS} at most.",)


def chapter_warnings(info: MediaInfo) -> tuple[str, ...]:
    """What a clip's report says of chapters that are not kept."""
    if not info.more_chapters:
        return ()
    if not info.chapters:
        return ("The recording has too many chapters to be read: none of them are kept.",)
    return (
        f"The recording has more than {MOST_CHAPTERS} chapters: only the first {MOST_CHAPTERS} are kept.",
    )
