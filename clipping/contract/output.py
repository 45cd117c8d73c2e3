"""The `output` of a clip request: aspect, quality, codec, size and container."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator

from clipping.contract.choices import Aspect, ContainerName, Fit, Quality, VideoCodec
from clipping.errors import InvalidRequest

SIZES: dict[Aspect, tuple[int, int]] = {
    "9:16": (1080, 1920),
    "16:9": (1920, 1080),
    "1:1": (1080, 1080),
    "4:5": (1080, 1350),
}
"""The size of an aspect, in pixels, where the caller names none."""
MIN_SIDE, MAX_SIDE = 16, 7680
MAX_PIXELS = 7680 * 4320
"""The maximum of all H.264 and HEVC levels that players support."""
MIN_BYTES = 100_000
_ASPECT_TOLERANCE = Fraction(1, 50)
"""The tolerance of the aspect, as even sizes can't match it exactly: 854x480 counts as 16:9."""
_NTSC_TOLERANCE = Fraction(1, 100)


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("must not be null: leave it out")
    return value


def _side(pixels: int) -> int:
    if not MIN_SIDE <= pixels <= MAX_SIDE or pixels % 2:
        raise ValueError(f"must be an even number from {MIN_SIDE} to {MAX_SIDE}")
    return pixels


def _fps(rate: float) -> float:
    if not 1 <= rate <= 120:
        raise ValueError("must be from 1 to 120")
    return rate


def _bytes(size: int) -> int:
    if size < MIN_BYTES:
        raise ValueError(f"must be at least {MIN_BYTES}")
    return size


_Given = BeforeValidator(_given)
_Side = Annotated[int | None, _Given, AfterValidator(_side)]


class Output(BaseModel):
    """Options in which the clip differs from the recording; absent means no change.

    An unknown option is an error in a message too: an agent must not ignore an option that it does not know.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    aspect: Aspect = "source"
    """9:16 is 1080x1920, 16:9 1920x1080, 1:1 1080x1080 and 4:5 1080x1350, unless a size is given."""
    fit: Annotated[Fit | None, _Given] = None
    """How frames are fitted into another aspect; `center_crop` by default."""
    width: _Side = None
    """Pixels. Alone, the height follows from the aspect."""
    height: _Side = None
    quality: Annotated[Quality | None, _Given] = None
    """In place of the request's `output_quality`."""
    video_codec: Annotated[VideoCodec | None, _Given] = None
    fps: Annotated[float | None, _Given, AfterValidator(_fps)] = None
    """Frames a second. 23.976, 29.97, 59.94 and 119.88 mean the NTSC rates (30000/1001 …)."""
    max_bytes: Annotated[int | None, _Given, AfterValidator(_bytes)] = None
    """The maximum size of the clip's file."""
    container: Annotated[ContainerName | None, _Given] = None
    audio: bool = True
    """Whether the clip has the recording's audio. Of copied and of encoded clips."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.width is not None and self.height is not None:
            aspect = _ratio(self.aspect)
            if aspect and abs(Fraction(self.width, self.height) / aspect - 1) > _ASPECT_TOLERANCE:
                raise _wrong(
                    "height", f"and width are not {self.aspect}: leave out one of them, or the aspect"
                )
        if self.size is not None:
            self._bounded(*self.size)
        if self.fit is not None and self.size is None:
            raise _wrong("fit", "needs an aspect, or both width and height")
        if self.video_codec == "copy":
            for name in (*self.reshaping, *(["max_bytes"] if self.max_bytes else [])):
                raise _wrong("video_codec", f"must not be copy with {name}, which needs a re-encode")
        return self

    def _bounded(self, width: int, height: int) -> None:
        named = "width" if self.height is None else "height"
        if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
            raise _wrong(
                named, f"gives {width}x{height}: {MAX_PIXELS} pixels and 7680 a side are the maximum"
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """The exact width and height of the frames, where both follow from the request."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        aspect = _ratio(self.aspect)
        if aspect is None:
            return None
        if self.width is not None:
            return self.width, _even(self.width / aspect)
        if self.height is not None:
            return _even(self.height * aspect), self.height
        return SIZES[self.aspect]

    @property
    def short(self) -> bool:
        """Whether it is an upright clip, for phones: such clips have separate limits."""
        return self.size is not None and abs(Fraction(*self.size) / Fraction(9, 16) - 1) <= _ASPECT_TOLERANCE

    @property
    def rate(self) -> Fraction | None:
        """`fps`, exactly."""
        if self.fps is None:
            return None
        ntsc = Fraction(round(self.fps) * 1000, 1001)
        wanted = Fraction(str(self.fps))
        return ntsc if wanted.denominator != 1 and abs(wanted - ntsc) < _NTSC_TOLERANCE else wanted

    @property
    def reshaping(self) -> tuple[str, ...]:
        """The names of the fields that no copied frame can satisfy."""
        names = ("width", "height", "fps")
        changed = ["aspect"] if self.aspect != "source" else []
        return (*changed, *(name for name in names if getattr(self, name) is not None))

    @property
    def resized(self) -> bool:
        """Whether the size of the frames is named, as a whole or in part."""
        return self.size is not None or self.width is not None or self.height is not None

    @property
    def encoding(self) -> tuple[str, ...]:
        """The names of the fields that only a full encode satisfies."""
        names = [*self.reshaping]
        if self.max_bytes is not None:
            names.append("max_bytes")
        if self.video_codec in ("h264", "hevc"):
            names.append("video_codec")
        return tuple(names)

    def asked(self) -> dict[str, Any]:
        """The options that differ from the default, for the hash of the clip's content."""
        return self.model_dump(exclude_defaults=True)


def _ratio(aspect: Aspect) -> Fraction | None:
    if aspect == "source":
        return None
    wide, high = aspect.split(":")
    return Fraction(int(wide), int(high))


def _even(pixels: Fraction) -> int:
    return max(MIN_SIDE, 2 * round(pixels / 2))


def _wrong(field: str, words: str) -> InvalidRequest:
    return InvalidRequest(f"output.{field} {words}", field=f"output.{field}")


AS_IS = Output()
"""Unchanged from the recording."""
