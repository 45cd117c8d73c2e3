"""One part of a reel, and what is between two parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

from clipping.contract.choices import TransitionType
from clipping.contract.effect_values import NoBool, list_of
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.messages import HandId, Seconds, subtract
from clipping.contract.output import Output
from clipping.contract.recording import SourcePathOrUri, SourceUri
from clipping.errors import InvalidRequest
from clipping.text import is_plain_text

MAX_TRANSITION_SECONDS = 5.0
MAX_TAGS = 20


def _line(longest: int) -> AfterValidator:
    def check(text: str) -> str:
        if not text.strip() or len(text) > longest or not is_plain_text(text):
            raise ValueError(
                f"must have 1 to {longest} characters, not only spaces and without control characters"
            )
        return text

    return AfterValidator(check)


def _duration(seconds: float) -> float:
    if not 0 < seconds <= MAX_TRANSITION_SECONDS:
        raise ValueError(f"must be greater than 0 and at most {MAX_TRANSITION_SECONDS:g}")
    return seconds


class Transition(BaseModel):
    """What is between two parts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    type: TransitionType = "cut"
    """`cut`: nothing. `fade`: through black, within the parts. `dissolve`: the end of a part is mixed with
    the beginning of the next one, and the reel is shorter by `duration` for each."""
    duration: Annotated[float, AfterValidator(_duration)] = 0.5
    """Seconds. A fade takes half of it from each part."""

    @property
    def overlap(self) -> float:
        """Seconds that two parts have in common."""
        return self.duration if self.type == "dissolve" else 0.0

    @property
    def taken(self) -> float:
        """Seconds of a part that a transition changes."""
        return {"cut": 0.0, "fade": self.duration / 2, "dissolve": self.duration}[self.type]


CUT = Transition()


class ReelPart(BaseModel):
    """One part of a reel. Times are seconds of its recording, as a player shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    source_uri: SourceUri | None = None
    """In place of `nas_video_path`: an object in a bucket."""
    nas_video_path: SourcePathOrUri = None
    start_seconds: Seconds
    end_seconds: Seconds
    pre_roll_seconds: Seconds = 0.0
    post_roll_seconds: Seconds = 0.0
    effects: Effects = NO_EFFECTS
    hand_id: HandId | None = None
    title: Annotated[str, _line(200)] | None = None
    """Of its chapter and its line of the table, in place of the hand id. It is not drawn: see
    `effects.title`."""
    rating: Annotated[Literal[1, 2, 3, 4, 5] | None, NoBool] = None
    """For the table; that of `effects.title` by default."""
    tags: Annotated[tuple[Annotated[str, _line(100)], ...], *list_of(MAX_TAGS)] = ()
    """For the table."""
    notes: Annotated[str, _line(1000)] | None = None
    """For the table; those of `effects.title` by default."""

    @field_validator("end_seconds")
    @classmethod
    def _after_start(cls, end: float, info: ValidationInfo) -> float:
        if end <= info.data.get("start_seconds", -1.0):
            raise ValueError("must be greater than start_seconds")
        return end

    @property
    def in_seconds(self) -> float:
        """Where the part begins: `start_seconds` minus the pre-roll, at least 0."""
        return max(0.0, subtract(self.start_seconds, self.pre_roll_seconds))

    @property
    def out_seconds(self) -> float:
        """Where the part ends: `end_seconds` plus the post-roll."""
        return subtract(self.end_seconds, -self.post_roll_seconds)

    @property
    def source_seconds(self) -> float:
        """The length of the part in its recording: before changes of speed."""
        return subtract(self.out_seconds, self.in_seconds)

    @property
    def length_seconds(self) -> float:
        """The length of the part in the reel, its transitions included."""
        return round(self.effects.duration(self.source_seconds), 9)

    def name(self, index: int) -> str:
        """Its title, hand id, burned-in title or number: for chapters and the table."""
        burned = self.effects.title.name if self.effects.title is not None else None
        return self.title or self.hand_id or burned or f"Part {index + 1}"


def check_framings(output: Output, effects: Sequence[Effects]) -> None:
    """Raises `InvalidRequest` unless the framings of all parts give the size of the reel: that of the output,
    or of the first part's framing. `effects`: of each part."""
    first = effects[0].framing
    size = output.size or (first.target if first is not None else None)
    for index, each in enumerate(effects):
        path = f"clips[{index}].effects"
        if each.framing is None:
            if each.overlay is not None and each.overlay.space == "framed" and output.fit != "smart_crop":
                raise InvalidRequest(
                    f"{path}.overlay.space must not be framed without {path}.framing, unless output.fit is "
                    "smart_crop",
                    field=f"{path}.overlay.space",
                )
            continue
        width, height = each.framing.target
        if size is None or (output.size is None and output.resized):
            raise InvalidRequest(
                f"{path}.framing needs output.width and output.height, as the size of a reel is that of its "
                f"first part: set them to {width} and {height}, its target_width and target_height",
                field=f"{path}.framing",
            )
        if (width, height) != size:
            raise InvalidRequest(
                f"{path}.framing gives {width}x{height}, and the reel is {size[0]}x{size[1]}: set its "
                "target_width and target_height to that",
                field=f"{path}.framing",
            )
