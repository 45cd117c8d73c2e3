"""All effects of a clip on one frame."""

from __future__ import annotations

from fractions import Fraction

from agent.cutting.effects.crop import cropped, needed
from agent.cutting.effects.highlight import highlighted
from agent.cutting.effects.keyframes import CropPath, HighlightPath, Window
from agent.cutting.effects.planes import Planes
from agent.cutting.formats.media import VideoInfo
from clipping.contract.effects import Effects, Framing, Overlay

_FULL_HEIGHT = 1080
"""The height that widths of lines and blurs are given for."""
_USUAL_RATE = Fraction(30)


class FrameEffects:
    """The effects that are computed for each frame. Frames are BT.709 yuv420p of limited range with square
    pixels, as displayed. Several threads may use one."""

    def __init__(self, effects: Effects, rate: Fraction | None, size: tuple[int, int]) -> None:
        """`rate`: the recording's frames a second, if known; `size`: width and height of its frames."""
        self._framing, self._overlay = effects.framing, effects.overlay
        self._size = size
        self._framed = _framed(effects)
        self._crop = CropPath(self._framing, rate or _USUAL_RATE) if self._framing is not None else None
        self._path = HighlightPath(self._overlay) if self._overlay is not None else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames that come out."""
        return self._size if self._framing is None else self._framing.target

    def apply(self, planes: Planes, time: float) -> Planes:
        """The frame that is shown `time` seconds after the start of the clip. May change `planes`."""
        window = self._crop.at(time, self._size) if self._crop is not None else None
        if not self._framed:
            self._highlight(planes, time, self._size, window and needed(window, self.size))
        if window is None:
            return planes
        made = cropped(planes, window, self.size)
        if self._framed:
            self._highlight(made, time, self.size, None)
        return made

    def _highlight(self, planes: Planes, time: float, size: tuple[int, int], seen: Window | None) -> None:
        if self._overlay is None or self._path is None:
            return
        ellipse = self._path.at(time, size)
        if ellipse is not None:
            highlighted(planes, self._overlay.effect_type, ellipse, size[1] / _FULL_HEIGHT, visible=seen)


def per_frame(effects: Effects, video: VideoInfo) -> bool:
    """Whether any effect must be computed for each frame; the others are filters of ffmpeg."""
    drawn = effects.overlay is not None and any(region.enabled for region in effects.overlay.regions)
    return drawn or (effects.framing is not None and whole_window(effects, video) is None)


def whole_window(effects: Effects, video: VideoInfo) -> tuple[int, int, int, int] | None:
    """The x, y, width and height of a crop that stays where it is, on whole pixels that ffmpeg can cut out;
    None for any other."""
    if effects.framing is None or video.sample_aspect != 1:
        return None
    path = CropPath(effects.framing, video.rate or _USUAL_RATE)
    window = path.static
    if window is None:
        return None
    turned = video.rotation in (90, 270)
    size = (video.height, video.width) if turned else (video.width, video.height)
    window = path.at(0.0, (size[0] // 2 * 2, size[1] // 2 * 2))
    # Colours have half the resolution.
    if any(side % 2 for side in window):
        return None
    x, y, width, height = (int(side) for side in window)
    return x, y, width, height


def _framed(effects: Effects) -> bool:
    """Whether the overlay's coordinates are of the framed video."""
    framing: Framing | None = effects.framing
    overlay: Overlay | None = effects.overlay
    if framing is None or overlay is None:
        return False
    if overlay.space is not None:
        return overlay.space == "framed"
    return any((region.video_width, region.video_height) == framing.target for region in overlay.regions)
