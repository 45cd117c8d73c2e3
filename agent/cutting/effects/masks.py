"""Shares of pixels that an ellipse covers: 0 outside, 1 inside.

A pixel's centre is at half a pixel from its sides, as in `keyframes.Window`.
"""

from __future__ import annotations

import numpy as np

from agent.cutting.effects.keyframes import Ellipse
from agent.cutting.effects.planes import Area, Mask

OUTLINE = 1.5
"""Half the width of an outline, in pixels of a frame of 1080 rows."""
SOFT_END, SOFT_WIDTH = 1.15, 0.3
"""A soft edge, in radii: where it ends, and how wide it is."""
_LEAST = np.float32(1e-30)
"""Instead of a division by zero in the very centre."""


def coverage(ellipse: Ellipse, area: Area) -> Mask:
    """The ellipse with an edge that is smoothed over one pixel, as height x width of `area`."""
    if min(ellipse.radius_x, ellipse.radius_y) <= 0:
        return np.zeros((area.bottom - area.top, area.right - area.left), np.float32)
    across, down = _distances(ellipse, area)
    mask = _sum_of_squares(across / ellipse.radius_x, down / ellipse.radius_y)
    slope = _sum_of_squares(across / ellipse.radius_x**2, down / ellipse.radius_y**2)
    np.sqrt(slope, out=slope)
    slope *= 2
    np.maximum(slope, _LEAST, out=slope)
    np.subtract(1, mask, out=mask)
    mask /= slope
    mask += np.float32(0.5)
    return np.clip(mask, 0, 1, out=mask)


def soft(ellipse: Ellipse, area: Area) -> Mask:
    """The ellipse with an edge from 0.85 to 1.15 radii."""
    if min(ellipse.radius_x, ellipse.radius_y) <= 0:
        return coverage(ellipse, area)
    across, down = _distances(ellipse, area)
    mask = _sum_of_squares(across / ellipse.radius_x, down / ellipse.radius_y)
    np.sqrt(mask, out=mask)
    np.subtract(np.float32(SOFT_END), mask, out=mask)
    mask /= np.float32(SOFT_WIDTH)
    np.clip(mask, 0, 1, out=mask)
    bend = mask * -2
    bend += 3
    mask *= mask
    mask *= bend
    return mask


def outlined(ellipse: Ellipse, area: Area, half: float) -> Mask:
    """The ring of `half` a width on each side of the ellipse's edge."""
    ring = coverage(grown(ellipse, half), area)
    ring -= coverage(grown(ellipse, -half), area)
    return np.maximum(ring, 0, out=ring)


def grown(ellipse: Ellipse, by: float) -> Ellipse:
    """With both radii longer by `by` pixels."""
    return ellipse._replace(radius_x=ellipse.radius_x + by, radius_y=ellipse.radius_y + by)


def box(ellipse: Ellipse) -> Area:
    """Where the coverage can be more than 0."""
    across, down = ellipse.radius_x + 1, ellipse.radius_y + 1
    return Area.around(ellipse.x - across, ellipse.y - down, ellipse.x + across, ellipse.y + down)


def _distances(ellipse: Ellipse, area: Area) -> tuple[Mask, Mask]:
    """Of the columns' and of the rows' centres from the ellipse's."""
    across = np.arange(area.left, area.right) + (0.5 - ellipse.x)
    down = np.arange(area.top, area.bottom) + (0.5 - ellipse.y)
    return across.astype(np.float32), down.astype(np.float32)


def _sum_of_squares(across: Mask, down: Mask) -> Mask:
    total: Mask = np.square(across)[None, :] + np.square(down)[:, None]
    return total
