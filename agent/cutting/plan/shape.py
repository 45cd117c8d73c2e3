"""How large the frames of a clip are. Pure."""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.formats.media import VideoInfo
from clipping.contract.effects import Effects
from clipping.contract.output import Output


def named_size(output: Output, effects: Effects) -> tuple[int, int] | None:
    """The width and height that a request names; None where they follow from the recording."""
    return effects.framing.target if effects.framing is not None else output.size


def shown_size(video: VideoInfo, output: Output) -> tuple[int, int]:
    """The width and height of a clip that keeps the recording's aspect, with at most one side given.

    Even sides, as ffmpeg computes them in `reshape`, unless the file's header is wrong.
    """
    turned = video.rotation in (90, 270)
    width, height = (video.height, video.width) if turned else (video.width, video.height)
    sample = 1 / video.sample_aspect if turned else video.sample_aspect
    aspect = Fraction(width, height) * sample
    if output.width is not None:
        return output.width, _even(output.width / aspect)
    if output.height is not None:
        return _even(output.height * aspect), output.height
    return max(2, int(width * sample / 2) * 2), max(2, height // 2 * 2)


def _even(pixels: Fraction) -> int:
    return max(2, 2 * round(pixels / 2))
