"""The `effects` of a clip request: framing, speed segments, overlay, title and captions.

Coordinates are pixels of the recording as displayed, with a top-left origin. Times are seconds from the start
of the clip, pre-roll included and before any change of speed. Other forms of the same, see `effects_forms`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from clipping.contract.caption_file import CaptionFile, read_captions
from clipping.contract.choices import CaptionFormat, CaptionsMode, HighlightEffect, Interpolation
from clipping.contract.effect_values import (
    MAX_KEYFRAMES,
    MAX_REGIONS,
    MAX_SEGMENTS,
    Color,
    Coordinate,
    FrameNumber,
    Length,
    NoBool,
    Opacity,
    OptionalLength,
    OptionalTime,
    RegionId,
    Speed,
    TargetSide,
    Time,
    TitleName,
    TitleNotes,
    list_of,
)
from clipping.contract.output import MAX_PIXELS
from clipping.errors import InvalidRequest

SLACK = 0.001
"""Seconds by which a time may pass the clip's end: callers round to milliseconds."""


class Part(BaseModel):
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


class CropKeyframe(Part):
    """Where the crop window is at one time. Exactly one of `time` and `frame` is set."""

    time: OptionalTime = None
    """Seconds."""
    frame: FrameNumber = None
    """Number of a frame of the clip, from 0: its time is that number / the recording's frame rate."""
    x: Coordinate
    y: Coordinate
    width: Length
    height: Length

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if (self.time is None) == (self.frame is None):
            raise ValueError("must have exactly one of time and frame")
        return self


class Framing(Part):
    """A crop window that moves, scaled to one size."""

    keyframes: Annotated[tuple[CropKeyframe, ...], *list_of(MAX_KEYFRAMES, least=1)]
    """In any order. The first applies before its time, the last after its time."""
    interpolation: Interpolation = "linear"
    """`spline`: uniform Catmull-Rom."""
    target_width: TargetSide = 1080
    """Pixels, even."""
    target_height: TargetSide = 1920

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.target_width * self.target_height > MAX_PIXELS:
            raise _wrong(
                "framing.target_height",
                f"gives {self.target_width}x{self.target_height}: {MAX_PIXELS} pixels are the maximum",
            )
        return self

    @property
    def target(self) -> tuple[int, int]:
        """Width and height of the clip."""
        return self.target_width, self.target_height


class SpeedSegment(Part):
    """A part of the clip and its speed. What no segment contains has speed 1."""

    start: Time
    """Seconds."""
    end: Time
    speed: Speed = 1.0
    """0.25 to 4."""

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: float, info: ValidationInfo) -> float:
        if end <= info.data.get("start", -1.0):
            raise ValueError("must be greater than start")
        return end


class HighlightKeyframe(Part):
    """The ellipse of a highlight at one time."""

    time: Time
    """Seconds."""
    x: Coordinate
    """Of the centre."""
    y: Coordinate
    radius_x: Annotated[Length, Field(alias="radiusX")]
    radius_y: Annotated[Length, Field(alias="radiusY")]
    opacity: Opacity = 0.15
    color: Color = "#FFFF00"
    """`#RRGGBB`"""


class Region(Part):
    """A highlight during one period."""

    id: RegionId = None
    """The caller's."""
    start_time: Time
    """Seconds. Both ends are inclusive."""
    end_time: Time
    enabled: bool = True
    keyframes: Annotated[tuple[HighlightKeyframe, ...], *list_of(MAX_KEYFRAMES, least=1)]
    video_width: Annotated[OptionalLength, Field(alias="videoWidth")] = None
    """The width that the coordinates are of; None: the video's."""
    video_height: Annotated[OptionalLength, Field(alias="videoHeight")] = None

    @field_validator("end_time")
    @classmethod
    def _not_before_start(cls, end: float, info: ValidationInfo) -> float:
        if end < info.data.get("start_time", 0.0):
            raise ValueError("must be at least start_time")
        return end

    @model_validator(mode="after")
    def _sized(self) -> Self:
        if (self.video_width is None) != (self.video_height is None):
            raise ValueError("must have both videoWidth and videoHeight, or neither")
        return self


class Overlay(Part):
    """Highlights that follow a player. Where regions overlap, the first one applies."""

    effect_type: HighlightEffect = "original"
    regions: Annotated[tuple[Region, ...], *list_of(MAX_REGIONS)]
    space: Literal["source", "framed"] | None = None
    """Of the coordinates: the recording's pixels, or those of the framed video. None: `framed` where a
    region's `videoWidth` and `videoHeight` are the target of the framing, else `source`."""


class Title(Part):
    """A note burned in at the top, with the colour of its rating."""

    name: TitleName
    """1 to 200 characters."""
    notes: TitleNotes = None
    """At most 1,000 characters, of which 100 are drawn."""
    rating: Annotated[Literal[1, 2, 3, 4, 5], NoBool] = 3


class Captions(Part):
    """The captions of a clip."""

    format: CaptionFormat
    text: str
    """A caption file. Times count from the start of the clip, before any change of speed."""
    mode: CaptionsMode = "burn"
    """`burn`: drawn into the frames; `track`: a text track, which players can switch off."""

    @field_validator("text")
    @classmethod
    def _valid(cls, text: str, info: ValidationInfo) -> str:
        if "format" in info.data:
            read_captions(info.data["format"], text)
        return text

    def read(self) -> CaptionFile:
        """The captions that the text holds."""
        return read_captions(self.format, self.text)


class Effects(Part):
    """What is changed in the frames of a clip, apart from its shape."""

    framing: Framing | None = None
    segments: Annotated[tuple[SpeedSegment, ...], *list_of(MAX_SEGMENTS)] = ()
    """In order, without overlaps."""
    overlay: Overlay | None = None
    title: Title | None = None
    captions: Captions | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for index in range(1, len(self.segments)):
            before = self.segments[index - 1].end
            if self.segments[index].start < before:
                raise _wrong(
                    f"segments[{index}].start",
                    f"must be at least {before:g}, the end of the segment before it",
                )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Of the effects that are requested."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))

    @property
    def encoding(self) -> tuple[str, ...]:
        """Of those that only a full encode can give: all but a text track."""
        return tuple(name for name in self.names if name != "captions" or not self.text_track)

    @property
    def text_track(self) -> Captions | None:
        """Captions that become a text track."""
        return self.captions if self.captions is not None and self.captions.mode == "track" else None

    @property
    def burned(self) -> Captions | None:
        """Captions that are drawn into the frames."""
        return self.captions if self.captions is not None and self.captions.mode == "burn" else None

    def duration(self, length: float) -> float:
        """How long a clip of `length` seconds is with its changes of speed."""
        return length + sum((each.end - each.start) * (1 / each.speed - 1) for each in self.segments)

    def within(self, length: float) -> Self:
        """For a clip of `length` seconds. Raises `InvalidRequest` when a segment ends after it."""
        for index, each in enumerate(self.segments):
            if each.end > length + SLACK:
                raise _wrong(
                    f"segments[{index}].end", f"must be at most {length:g}, the length of the clip in seconds"
                )
        if not self.segments or self.segments[-1].end <= length:
            return self
        *others, last = self.segments
        if last.start < length:
            others.append(last.model_copy(update={"end": length}))
        return self.model_copy(update={"segments": tuple(others)})

    def asked(self) -> dict[str, Any]:
        """What is requested, for the hash of the clip's content."""
        ids = {"overlay": {"regions": {"__all__": {"id"}}}}
        return self.model_dump(exclude_defaults=True, mode="json", exclude=ids)


def _wrong(field: str, words: str) -> InvalidRequest:
    return InvalidRequest(f"effects.{field} {words}", field=f"effects.{field}")


NO_EFFECTS = Effects()
