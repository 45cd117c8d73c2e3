"""The `effects` of a clip request: framing, speed segments, overlay and title.

Coordinates are pixels of the recording as displayed, with a top-left origin. Times are seconds from the start
of the clip, before any change of speed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clipping.contract.choices import HighlightEffect, Interpolation

_List = Field(strict=False)
"""JSON has no tuples, and behind a `before` validator pydantic does not know that it read JSON."""


class _Part(BaseModel):
    """Unknown options are errors in a message too: an agent must not ignore an effect that it lacks."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class CropKeyframe(_Part):
    """Where the crop window is at one time. Exactly one of `time` and `frame` is set."""

    time: float | None = None
    """Seconds."""
    frame: int | None = None
    """Number of a frame of the clip, from 0: its time is that number / the recording's frame rate."""
    x: float
    y: float
    width: float
    height: float


class Framing(_Part):
    """A crop window that moves, scaled to one size."""

    keyframes: Annotated[tuple[CropKeyframe, ...], _List]
    """In any order. The first applies before its time, the last after its time."""
    interpolation: Interpolation = "linear"
    """`spline`: uniform Catmull-Rom."""
    target_width: int = 1080
    """Pixels, even."""
    target_height: int = 1920

    @property
    def target(self) -> tuple[int, int]:
        """Width and height of the clip."""
        return self.target_width, self.target_height


class SpeedSegment(_Part):
    """A part of the clip and its speed. What no segment contains has speed 1."""

    start: float
    """Seconds."""
    end: float
    speed: float = 1.0
    """0.25 to 4."""


class HighlightKeyframe(_Part):
    """The ellipse of a highlight at one time."""

    time: float
    """Seconds."""
    x: float
    """Of the centre."""
    y: float
    radius_x: Annotated[float, Field(alias="radiusX")]
    radius_y: Annotated[float, Field(alias="radiusY")]
    opacity: float = 0.15
    color: str = "#FFFF00"
    """`#RRGGBB`"""


class Region(_Part):
    """A highlight during one period."""

    id: str | int | None = None
    """The caller's."""
    start_time: float
    """Seconds. Both ends are inclusive."""
    end_time: float
    enabled: bool = True
    keyframes: Annotated[tuple[HighlightKeyframe, ...], _List]
    video_width: Annotated[float | None, Field(alias="videoWidth")] = None
    """The width that the coordinates are of; None: the video's."""
    video_height: Annotated[float | None, Field(alias="videoHeight")] = None


class Overlay(_Part):
    """Highlights that follow a player. Where regions overlap, the first one applies."""

    effect_type: HighlightEffect = "original"
    regions: Annotated[tuple[Region, ...], _List]
    space: Literal["source", "framed"] | None = None
    """Of the coordinates: the recording's pixels, or those of the framed video. None: `framed` where a
    region's `videoWidth` and `videoHeight` are the target of the framing, else `source`."""


class Title(_Part):
    """A note burned in at the top, with the colour of its rating."""

    name: str
    notes: str | None = None
    rating: Literal[1, 2, 3, 4, 5] = 3


class Effects(_Part):
    """What is changed in the frames of a clip, apart from its shape."""

    framing: Framing | None = None
    segments: Annotated[tuple[SpeedSegment, ...], _List] = ()
    overlay: Overlay | None = None
    title: Title | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the effects that are requested."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))

    def asked(self) -> dict[str, Any]:
        """What is requested, for the hash of the clip's content."""
        return self.model_dump(exclude_defaults=True, mode="json")


NO_EFFECTS = Effects()
