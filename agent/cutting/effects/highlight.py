"""The five kinds of highlights, drawn into the planes of one frame.

Every function keeps to the part of the frame that changes, and needs floats for a few rows at a time only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agent.cutting.effects import backgrounds, masks
from agent.cutting.effects.keyframes import Ellipse, Window
from agent.cutting.effects.planes import (
    Area,
    Mask,
    Plane,
    Planes,
    chroma_in_rgb,
    from_rgb,
    halved,
    luma_in_rgb,
)
from clipping.contract.choices import HighlightEffect

OUTLINE_OPACITY = 0.6
BOOST = 1.5
FACTORS: dict[HighlightEffect, float] = {"dark_overlay": 0.7, "spotlight": 0.3}
"""Of the brightness outside of the ellipse."""

MaskOf = Callable[[Ellipse, Area], Mask]


def highlighted(
    planes: Planes, effect: HighlightEffect, ellipse: Ellipse, scale: float, visible: Window | None = None
) -> None:
    """Draws the highlight into `planes`, in place: they must be writable.

    `scale`: the frame's height / 1080, for outlines and blur. The ellipse may lie partly or wholly outside of
    the frame. Where only the part `visible` is used later (see `crop.needed`), the rest may stay as
    it is.
    """
    width, height = planes.size
    area = Area.around(0, 0, width, height)
    if visible is not None:
        x, y, across, down = visible
        area = area.within(Area.around(x, y, x + across, y + down))
    if area.empty:
        return
    if effect == "original":
        _fill(planes, ellipse, masks.OUTLINE * scale, area)
    elif effect == "brightness_boost":
        _boost(planes, ellipse, area)
    elif effect == "blur":
        _replace_outside(planes, backgrounds.blurred(planes, area, scale), area, ellipse, masks.soft)
    else:
        factor = FACTORS[effect]
        mask = masks.soft if effect == "spotlight" else masks.coverage
        _scale_outside(planes, backgrounds.scaled(planes, area, factor), area, factor, ellipse, mask)


def _fill(planes: Planes, ellipse: Ellipse, half: float, area: Area) -> None:
    """The ellipse's colour at its opacity, and an outline of twice `half` pixels."""
    color = from_rgb(*map(float, ellipse.color))
    for strip in masks.box(masks.grown(ellipse, half)).within(area).strips():
        clear = 1 - OUTLINE_OPACITY * masks.outlined(ellipse, strip, half)
        clear *= 1 - ellipse.opacity * masks.coverage(ellipse, strip)
        alpha = 1 - clear
        for plane, code, share in zip(planes.part(strip), color, _shares(alpha), strict=True):
            _blend(plane, share, np.float32(code))


def _boost(planes: Planes, ellipse: Ellipse, area: Area) -> None:
    """Brighter inside of the ellipse. In RGB, where highlights clip without a change of hue in the rest."""
    for strip in masks.box(ellipse).within(area).strips():
        mask = masks.coverage(ellipse, strip)
        part = planes.part(strip)
        grey = luma_in_rgb(_evened(part.y).astype(np.float32))
        added = chroma_in_rgb(part.u.astype(np.float32), part.v.astype(np.float32))
        brighter = (
            np.clip(BOOST * (grey + channel.repeat(2, axis=0).repeat(2, axis=1)), 0, 255) for channel in added
        )
        luma, cb, cr = from_rgb(*brighter)
        boosted = luma, halved(cb), halved(cr)
        for plane, codes, share in zip(part, boosted, _shares(mask), strict=True):
            _blend(plane, share, codes)


def _scale_outside(
    planes: Planes, background: Planes, area: Area, factor: float, ellipse: Ellipse, mask_of: MaskOf
) -> None:
    """Takes `background`, the scaled copy of `area`, and scales less near the ellipse and not inside."""
    for strip in _soft_box(ellipse).within(area).strips():
        shares = _shares(mask_of(ellipse, strip))
        inside = background.part(strip.moved(area.left, area.top))
        for source, plane, share, zero in zip(
            planes.part(strip), inside, shares, (16, 128, 128), strict=True
        ):
            # Of the frame itself: the scaled copy is already rounded.
            codes = (source - np.float32(zero)) * (factor + (1 - factor) * _cut(share, source))
            codes += zero
            np.rint(codes, out=codes)
            plane[...] = np.clip(codes, 0, 255, out=codes)
    _overwrite(planes, area, background)


def _replace_outside(
    planes: Planes, background: Planes, area: Area, ellipse: Ellipse, mask_of: MaskOf
) -> None:
    """Takes `background`, but inside of the ellipse, and a mixture near its edge."""
    for strip in _soft_box(ellipse).within(area).strips():
        shares = _shares(mask_of(ellipse, strip))
        inside = background.part(strip.moved(area.left, area.top))
        for source, plane, share in zip(planes.part(strip), inside, shares, strict=True):
            _blend(plane, share, source)
    _overwrite(planes, area, background)


def _soft_box(ellipse: Ellipse) -> Area:
    soft = ellipse._replace(
        radius_x=ellipse.radius_x * masks.SOFT_END, radius_y=ellipse.radius_y * masks.SOFT_END
    )
    return masks.box(soft)


def _overwrite(planes: Planes, area: Area, background: Planes) -> None:
    for plane, codes in zip(planes.part(area), background, strict=True):
        plane[...] = codes


def _shares(mask: Mask) -> tuple[Mask, Mask, Mask]:
    """Of luma, and of both chroma planes."""
    chroma = halved(mask)
    return mask, chroma, chroma


def _blend(plane: Plane, share: Mask, codes: Mask | Plane | np.float32) -> None:
    """Moves `plane` towards `codes`: by nothing where `share` is 0, all the way where it is 1."""
    if isinstance(codes, np.ndarray):
        codes = _cut(codes, plane)
    mixed = codes - plane.astype(np.float32)
    mixed *= _cut(share, plane)
    mixed += plane
    np.rint(mixed, out=mixed)
    plane[...] = mixed


def _cut(values: Mask | Plane, plane: Plane) -> Mask | Plane:
    """Without the last row or column that a frame of an odd size lacks."""
    return values[: plane.shape[0], : plane.shape[1]]


def _evened(plane: Plane) -> Plane:
    """With the last row or column repeated, where there is an odd number."""
    height, width = plane.shape
    return np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge") if height % 2 or width % 2 else plane
