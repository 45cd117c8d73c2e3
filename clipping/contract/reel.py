"""The reel request: parts of one or several recordings, joined into one video, and its message."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from itertools import accumulate, combinations
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from clipping.contract.choices import Mode, Priority, Quality
from clipping.contract.effects_forms import parse_effects
from clipping.contract.messages import (
    HandId,
    Lane,
    Message,
    Metadata,
    RequestMessage,
    lane_of,
    subtract,
)
from clipping.contract.modes import check_mode, default_mode
from clipping.contract.output import AS_IS, Output
from clipping.contract.problems import first_problem
from clipping.contract.recording import asked_recording, same_recording
from clipping.contract.reel_parts import CUT, ReelPart, Transition, check_framings
from clipping.contract.table import Row, table
from clipping.contract.wire import Moment
from clipping.errors import InvalidRequest

MAX_PARTS = 50
REEL_ID = r"^reel-\d{8}-[0-9a-hjkmnp-tv-z]{12,32}$"
"""The form of a reel's request id."""


def _counted(parts: object) -> object:
    if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MAX_PARTS:
        raise ValueError(f"must be a list of 1 to {MAX_PARTS} parts")
    return parts


class ReelRequest(Message):
    """A caller's request for a reel."""

    model_config = ConfigDict(extra="forbid")

    reel_id: HandId
    clips: Annotated[tuple[ReelPart, ...], Field(strict=False), BeforeValidator(_counted)]
    """The parts, in their order. 1 to 50."""
    transition: Transition = CUT
    output_quality: Quality = "high"
    mode: Mode = None  # type: ignore[assignment]  # filled below: it follows the quality
    """`smart`, unless the quality is medium, or the output or an effect of a part needs an `encode`."""
    priority: Priority = "normal"
    output: Output = AS_IS
    """Of the reel. What it leaves open follows from the first part."""
    chapters: bool = True
    """A chapter for each part."""
    tsv: bool = False
    """A table of the parts beside the reel."""
    allow_overlaps: bool = False
    """Whether two parts may show the same frames, as a replay does."""
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _default_mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and "mode" not in data:
            return {**data, "mode": _default_mode(data)}
        return data

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.output.max_bytes is not None:
            raise InvalidRequest(
                "output.max_bytes is not possible for a reel: leave it out", field="output.max_bytes"
            )
        for index, part in enumerate(self.clips):
            check_mode(self.mode, self.output, part.effects, effects_at=f"clips[{index}].effects")
        check_framings(self.output, [part.effects for part in self.clips])
        if self.mode == "copy" and self.transition.type != "cut":
            raise InvalidRequest(
                f"mode must be smart or encode, or left out, with a {self.transition.type}: "
                "copied frames can't be changed",
                field="mode",
            )
        self._check_lengths()
        if not self.allow_overlaps:
            self._check_overlaps()
        return self

    def _check_lengths(self) -> None:
        taken = self.transition.taken
        for index, part in enumerate(self.clips):
            transitions = (index > 0) + (index < len(self.clips) - 1)
            needed = subtract(taken * transitions, 0.0)
            if part.length_seconds < needed:
                kind, where = self.transition.type, "both ends" if transitions > 1 else "one end"
                raise InvalidRequest(
                    f"clips[{index}] is {part.length_seconds:g} s long, and a {kind} of "
                    f"{self.transition.duration:g} s at {where} needs {needed:g} s: make the part longer, "
                    "or transition.duration shorter",
                    field=f"clips[{index}]",
                )

    def _check_overlaps(self) -> None:
        for (one, first), (other, second) in combinations(enumerate(self.clips), 2):
            if not same_recording(first, second):
                continue
            if max(first.in_seconds, second.in_seconds) < min(first.out_seconds, second.out_seconds):
                raise InvalidRequest(
                    f"clips[{other}] overlaps clips[{one}]: change its start_seconds or end_seconds, or set "
                    "allow_overlaps to true",
                    field=f"clips[{other}]",
                )

    @property
    def quality(self) -> Quality:
        """The output's, if it names one."""
        return self.output.quality or self.output_quality

    @property
    def starts(self) -> tuple[float, ...]:
        """Where each part begins in the reel, in seconds, and where the last one ends."""
        overlap = self.transition.overlap
        lengths = [part.length_seconds - overlap for part in self.clips[:-1]]
        lengths.append(self.clips[-1].length_seconds)
        return tuple(round(at, 9) for at in accumulate(lengths, initial=0.0))

    @property
    def length_seconds(self) -> float:
        """The length of the reel."""
        return self.starts[-1]

    @property
    def source_seconds(self) -> float:
        """The length of all parts in their recordings."""
        return round(sum(part.source_seconds for part in self.clips), 9)

    @property
    def lane(self) -> Lane:
        """As a clip's."""
        return lane_of(self.priority, self.mode)

    def spec_hash(self) -> str:
        """SHA-256 (hex) of everything that affects the reel's content: equal hashes mean equal reels."""
        spec = self.model_dump(include={"output_quality", "mode", "chapters", "tsv"})
        spec["transition"] = self.transition.model_dump()
        spec["output"] = self.output.asked()
        spec["clips"] = [_asked(part) for part in self.clips]
        return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def _asked(part: ReelPart) -> dict[str, Any]:
    spec = part.model_dump(include={"hand_id", "title", "rating", "tags", "notes"}) | asked_recording(part)
    spec |= {"in": repr(part.in_seconds), "out": repr(part.out_seconds)}
    return spec | ({"effects": part.effects.asked()} if part.effects.asked() else {})


def _default_mode(body: dict[str, Any]) -> Mode:
    """The mode of a request (still unchecked) that names none."""
    parts = body.get("clips")
    output: dict[str, Any] = {name: body[name] for name in ("output", "output_quality") if name in body}
    modes = [default_mode(output, "smart")]
    for part in parts if isinstance(parts, (list, tuple)) else ():
        effects = part.get("effects") if isinstance(part, dict) else getattr(part, "effects", None)
        modes.append(default_mode({"effects": effects}, "smart"))
    return "encode" if "encode" in modes else modes[0]


class ReelMessage(ReelRequest):
    """On `clipping-requests`, from the API to agents: the caller's request, and its owner."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model_config = ConfigDict(
        extra="ignore", serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    request_id: Annotated[str, StringConstraints(pattern=REEL_ID)]
    owner: str
    roots: list[str] | None = None
    """The folders on the NAS that its owner may cut from. Absent: all that the agent has."""
    requested_at: Moment

    @classmethod
    def of(
        cls,
        request: ReelRequest,
        *,
        request_id: str,
        owner: str,
        requested_at: datetime,
        roots: list[str] | None = None,
    ) -> Self:
        """The message that carries `request`."""
        return cls(
            request_id=request_id,
            owner=owner,
            roots=roots,
            requested_at=requested_at,
            **request.model_dump(exclude_none=True),
        )

    @property
    def hand_id(self) -> str:
        """The reel's name, where a clip has its hand's."""
        return self.reel_id


WorkMessage = RequestMessage | ReelMessage
"""A message on `clipping-requests`."""


def parse_work(data: bytes) -> WorkMessage:
    """A message on `clipping-requests`. Raises `InvalidRequest` naming the field."""
    return ReelMessage.from_json(data) if _is_reel(data) else RequestMessage.from_json(data)


def _is_reel(data: bytes) -> bool:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return False  # the parser says what is wrong
    return isinstance(body, dict) and "reel_id" in body


def parse_reel_request(body: object, *, max_reel_seconds: float, max_clip_seconds: float) -> ReelRequest:
    """A caller's decoded JSON body as a request. `max_clip_seconds`: of one part.

    Raises `InvalidRequest` naming the first invalid field.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    parts = body.get("clips")
    if isinstance(parts, list) and len(parts) <= MAX_PARTS:
        body = {**body, "clips": [_part(index, one) for index, one in enumerate(parts)]}
    try:
        request = ReelRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error) from None
    check_reel_length(request, max_reel_seconds=max_reel_seconds, max_clip_seconds=max_clip_seconds)
    return request


def check_reel_length(request: ReelRequest, *, max_reel_seconds: float, max_clip_seconds: float) -> None:
    """Raises `InvalidRequest` for a reel that is too long, or a part that is."""
    for index, part in enumerate(request.clips):
        _check_part(f"clips[{index}]", part, max_clip_seconds)
    if request.length_seconds > max_reel_seconds:
        raise InvalidRequest(
            f"the reel would be {request.length_seconds:g} s long; the longest allowed is "
            f"{max_reel_seconds:g} s: leave out parts, or make them shorter",
            field="clips",
        )


def _part(index: int, body: Any) -> Any:
    """A part as its model takes it: its effects are validated here, as they have further forms."""
    if not isinstance(body, dict):
        return body
    path, body = f"clips[{index}]", dict(body)
    if body.get("metadata") is not None:
        raise InvalidRequest(
            f"{path}.metadata is not a known field: the whole reel has metadata", field=f"{path}.metadata"
        )
    if "effects" not in body:
        return body
    try:
        asked = parse_effects(body.pop("effects"))
        part = ReelPart.model_validate(body)
        effects, start, end = asked.within(part.source_seconds)
    except ValidationError as error:
        raise first_problem(error, within=("clips", index)) from None
    except InvalidRequest as error:
        raise _within(path, error) from None
    if asked.audio is not None and not asked.audio[1]:
        field = f"{path}.effects.{asked.audio[0]}"
        raise InvalidRequest(f"{field} must be left out: output.audio is that of the whole reel", field=field)
    if effects.text_track is not None:
        field = f"{path}.effects.captions.mode"
        raise InvalidRequest(f"{field} must be burn in a reel, which has no text tracks", field=field)
    if asked.trim is None:
        return part.model_copy(update={"effects": effects})
    trimmed = {"pre_roll_seconds": 0.0, "post_roll_seconds": 0.0}
    trimmed["start_seconds"] = subtract(part.in_seconds, -start)
    trimmed["end_seconds"] = subtract(part.in_seconds, -end)
    return part.model_copy(update={"effects": effects, **trimmed})


def _within(path: str, error: InvalidRequest) -> InvalidRequest:
    """An error of a part's field, with the path of the part before the field."""
    if error.field is None:
        return InvalidRequest(f"{path}: {error.message}", field=path)
    named = error.message.replace(error.field, f"{path}.{error.field}", 1)
    if named == error.message:
        named = f"{path}: {error.message}"
    return InvalidRequest(named, field=f"{path}.{error.field}")


def _check_part(path: str, part: ReelPart, longest: float) -> None:
    if max(part.source_seconds, part.length_seconds) > longest:
        raise InvalidRequest(
            f"{path} would be {max(part.source_seconds, part.length_seconds):g} s long; the longest allowed "
            f"is {longest:g} s: choose a later start_seconds, an earlier end_seconds or higher speeds",
            field=f"{path}.end_seconds",
        )


def table_of(request: ReelRequest) -> str:
    """The parts as tab-separated values: see `clipping.contract.table`."""
    return table(_row(part, index) for index, part in enumerate(request.clips))


def _row(part: ReelPart, index: int) -> Row:
    burned = part.effects.title
    return Row(
        start=part.in_seconds,
        end=part.out_seconds,
        name=part.name(index),
        rating=part.rating or (burned.rating if burned is not None else None),
        tags=part.tags,
        notes=part.notes or (burned.notes if burned is not None else None),
    )
