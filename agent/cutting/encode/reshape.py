"""ffmpeg's filters for the requested shape of the video. Pure.

Sizes of the recording are left to ffmpeg's own expressions. Only it knows them for certain: after rotation,
and where they change in the middle of a stream.
"""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.encode.filters import FilterStream, Options
from clipping.contract.output import Output

# ffmpeg's variables: `dar` is what the video's width is to its height as shown, `sar` the same of a pixel.
_SCALER = "lanczos+accurate_rnd+full_chroma_int"
_BLUR_SHRINK = 4
"""The blurred background is made at a quarter of the size: the difference is seen in the time alone."""
_BLUR_SHARE = 32
"""The blur's radius, as a part of the shorter side."""
_MIN_SHRUNK = 16


def shaped(video: FilterStream, output: Output, colours: Options) -> FilterStream:
    """The video (a stream of ffmpeg-python) in the wanted shape: square pixels, even sides, yuv420p.

    `colours` are options of ffmpeg's `scale` that say which colours come in and go out.
    """
    if output.size is None:
        return _finished(video.filter("scale", **_free(output), flags=_SCALER, **colours))
    width, height = output.size
    match output.fit or "center_crop":
        case "center_crop" | "smart_crop":  # the window of a smart crop is the framing's
            window = video.filter("crop", **_window(width, height))
            return _finished(window.filter("scale", width, height, flags=_SCALER, **colours))
        case "letterbox":
            whole = _finished(video.filter("scale", **_inside(width, height), flags=_SCALER, **colours))
            return whole.filter("pad", width, height, "(ow-iw)/2", "(oh-ih)/2", "black").filter("setsar", 1)
        case "blur":
            return _before_itself(video, width, height, colours)


def cropped(
    video: FilterStream, window: tuple[int, int, int, int], target: tuple[int, int], colours: Options
) -> FilterStream:
    """A part of a video with square pixels, scaled. `window`: x, y, width and height, even; the rest as
    `shaped`."""
    x, y, width, height = window
    part = video.filter("crop", width, height, x, y, exact=1)
    return _finished(part.filter("scale", *target, flags=_SCALER, **colours))


def _finished(video: FilterStream) -> FilterStream:
    return video.filter("format", "yuv420p").filter("setsar", 1)


def _before_itself(video: FilterStream, width: int, height: int, colours: Options) -> FilterStream:
    copies = video.split()
    small = [max(_MIN_SHRUNK, 2 * (side // _BLUR_SHRINK // 2)) for side in (width, height)]
    behind = copies[0].filter("crop", **_window(width, height)).filter("scale", *small, **colours)
    behind = behind.filter("format", "yuv420p").filter("gblur", sigma=max(1, min(small) // _BLUR_SHARE))
    behind = behind.filter("scale", width, height, flags="bicubic")
    before = copies[1].filter("scale", **_inside(width, height), flags=_SCALER, **colours)
    whole = behind.filter("setsar", 1).overlay(
        _finished(before), x="(W-w)/2", y="(H-h)/2", format="yuv420", eof_action="repeat"
    )
    return _finished(whole)


def _window(width: int, height: int) -> dict[str, str]:
    """The largest centred part of the video with the aspect of `width` and `height`; even sides."""
    wanted = Fraction(width, height)
    high, wide = wanted.denominator, wanted.numerator
    return {
        "w": f"if(gt(iw*sar*{high},ih*{wide}),max(2,2*round(ih*{wide}/{high}/sar/2)),iw)",
        "h": f"if(gt(ih*{wide},iw*sar*{high}),max(2,2*round(iw*sar*{high}/{wide}/2)),ih)",
    }


def _inside(width: int, height: int) -> dict[str, str]:
    """The largest size of the video's own aspect within `width` x `height`."""
    wider = f"gt(dar*{height},{width})"
    return {
        "w": f"if({wider},{width},max(2,2*round({height}*dar/2)))",
        "h": f"if({wider},max(2,2*round({width}/dar/2)),{height})",
    }


def _free(output: Output) -> dict[str, str]:
    """The recording's own aspect, with at most one side given."""
    if output.width is not None:
        return {"w": str(output.width), "h": f"max(2,2*round({output.width}/dar/2))"}
    if output.height is not None:
        return {"w": f"max(2,2*round({output.height}*dar/2))", "h": str(output.height)}
    return {"w": "trunc(iw*sar/2)*2", "h": "trunc(ih/2)*2"}
