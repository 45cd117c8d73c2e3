"""The clip request and the three Pub/Sub messages. The API's contract is `openapi.yaml`.

Messages are UTF-8 JSON with `"schema": 1`. Readers ignore unknown fields of messages (a newer sender may add
some), but refuse them in a caller's request (a misspelt option must not be ignored silently).
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Kind, Mode, PartStage, Priority, Quality, Stage, Status
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.effects_forms import AskedEffects, parse_effects
from clipping.contract.modes import check_mode, check_size, default_mode
from clipping.contract.output import AS_IS, Output
from clipping.contract.problems import first_problem
from clipping.contract.recording import SourcePathOrUri, SourceUri, asked_recording
from clipping.contract.report import Report
from clipping.contract.wire import Model, Moment
from clipping.errors import InvalidRequest
from clipping.timecode import parse_seconds

SCHEMA = 1

Lane = Literal["interactive", "batch"]
TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})

HAND_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
REQUEST_ID = r"^(?:clip|reel)-\d{8}-[0-9a-hjkmnp-tv-z]{12,32}$"
"""Of a clip or a reel: see `kind_of`."""
MAX_METADATA_VALUE = 1024


def _metadata(pairs: dict[str, str]) -> dict[str, str]:
    if len(pairs) > 16:
        raise ValueError("must have at most 16 pairs")
    for key, value in pairs.items():
        if not 1 <= len(key) <= 128 or len(value) > MAX_METADATA_VALUE:
            raise ValueError(
                f"must have keys of 1 to 128 and values of at most {MAX_METADATA_VALUE} characters"
            )
    return pairs


Seconds = Annotated[float, BeforeValidator(parse_seconds)]
HandId = Annotated[str, StringConstraints(pattern=HAND_ID)]
Metadata = Annotated[dict[str, str], AfterValidator(_metadata)]


class Message(Model):
    """A message or request that is sent by itself."""

    def to_json(self) -> bytes:
        """UTF-8 JSON; absent values are left out."""
        return self.model_dump_json(exclude_none=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Parse; raises `InvalidRequest` naming the field."""
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            raise first_problem(error) from None


class ClipRequest(Message):
    """A caller's request. Times are seconds of the recording, as a player shows them."""

    model_config = ConfigDict(extra="forbid")

    hand_id: HandId
    source_uri: SourceUri | None = None
    """In place of `nas_video_path`: an object in a bucket."""
    nas_video_path: SourcePathOrUri = None
    start_seconds: Seconds
    end_seconds: Seconds
    output_quality: Quality = "high"
    mode: Mode = None  # type: ignore[assignment]  # filled below: it follows the quality
    """`copy`, unless the quality is medium, or the output or an effect needs an `encode`."""
    priority: Priority = "normal"
    pre_roll_seconds: Seconds = 0.0
    post_roll_seconds: Seconds = 0.0
    output: Output = AS_IS
    effects: Effects = NO_EFFECTS
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _default_mode(cls, data: Any) -> Any:
        if isinstance(data, dict) and "mode" not in data:
            return {**data, "mode": default_mode(data)}
        return data

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_seconds <= self.start_seconds:
            raise InvalidRequest("end_seconds must be greater than start_seconds", field="end_seconds")
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        check_mode(self.mode, self.output, self.effects)
        check_size(self.output, self.effects)
        return self

    @property
    def quality(self) -> Quality:
        """The output's, if it names one."""
        return self.output.quality or self.output_quality

    @property
    def in_seconds(self) -> float:
        """The start of the clip: `start_seconds` minus the pre-roll, at least 0."""
        return max(0.0, subtract(self.start_seconds, self.pre_roll_seconds))

    @property
    def out_seconds(self) -> float:
        """The end of the clip: `end_seconds` plus the post-roll."""
        return subtract(self.end_seconds, -self.post_roll_seconds)

    @property
    def source_seconds(self) -> float:
        """The length of the clip in the recording: before changes of speed."""
        return subtract(self.out_seconds, self.in_seconds)

    @property
    def length_seconds(self) -> float:
        """The length of the finished clip."""
        return self.effects.duration(self.source_seconds)

    def with_effects(self, asked: AskedEffects) -> ClipRequest:
        """With these effects, of the part of the clip that they leave. Raises `InvalidRequest`."""
        effects, start, end = asked.within(self.source_seconds)
        changes: dict[str, Any] = {"effects": effects, "output": asked.output(self.output)}
        if asked.trim is not None:
            zero, changes["pre_roll_seconds"], changes["post_roll_seconds"] = self.in_seconds, 0.0, 0.0
            changes["start_seconds"] = subtract(zero, -start)
            changes["end_seconds"] = subtract(zero, -end)
        return self.model_copy(update=changes)

    @property
    def lane(self) -> Lane:
        """See `lane_of`."""
        return lane_of(self.priority, self.mode)

    def spec_hash(self) -> str:
        """SHA-256 (hex) of everything that affects the clip's content: equal hashes mean equal clips."""
        spec = self.model_dump(include={"output_quality", "mode"}) | asked_recording(self)
        spec |= {"in": repr(self.in_seconds), "out": repr(self.out_seconds)}
        if self.output.asked():
            spec["output"] = self.output.asked()
        if self.effects.asked():
            spec["effects"] = self.effects.asked()
        return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def lane_of(priority: Priority, mode: Mode) -> Lane:
    """`batch` for encodes and low priority, so that interactive clips never wait behind them."""
    if priority == "high":
        return "interactive"
    return "batch" if priority == "low" or mode == "encode" else "interactive"


def kind_of(request_id: str) -> Kind:
    """What the request with this id asks for."""
    return "reel" if request_id.startswith("reel-") else "clip"


def subtract(a: float, b: float) -> float:
    """The difference of two times, to the nanosecond."""
    # Nanoseconds are far below a frame, and keep 0.3 - 0.1 from becoming 0.19999999999999998.
    return round(a - b, 9)


class RequestMessage(ClipRequest):
    """On `clipping-requests`, from the API to agents: the caller's request, and its owner."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model_config = ConfigDict(
        extra="ignore", serialize_by_alias=True, validate_by_name=True, validate_by_alias=True
    )

    request_id: Annotated[str, StringConstraints(pattern=REQUEST_ID)]
    owner: str
    roots: list[str] | None = None
    """The folders on the NAS that its owner may cut from. Absent: all that the agent has."""
    requested_at: Moment

    @classmethod
    def of(
        cls,
        request: ClipRequest,
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


class ErrorInfo(Message):
    """A stable code and a sentence for the user."""

    code: str
    message: str
    part: int | None = None
    """Of a reel: the index in `clips` of the part that failed."""


class LastError(ErrorInfo):
    """Why a clip is retried."""

    at: Moment
    """When it happened, by the agent's clock."""


class CompletionMessage(Message):
    """On `clipping-complete`, from agents to the API and any other subscriber."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    request_id: str
    hand_id: str
    status: Literal["completed", "failed", "cancelled"]
    agent_id: str
    epoch: int
    """The lease's epoch under which the agent worked; 0 where there is no election (`single`, `pool`)."""
    attempt: int
    completed_at: Moment
    output_gcs_path: str | None = None
    """`gs://bucket/key` in Google Cloud Storage; in other stores the object's key."""
    output_uri: str | None = None
    """The object's URI in the store: `gs://…`, `s3://…` or `file:///…`."""
    download_url: str | None = None
    download_url_expires_at: Moment | None = None
    poster_url: str | None = None
    """A link to a JPEG of one frame, which works as long as `download_url`; absent when there is none."""
    contact_sheet_url: str | None = None
    """As `poster_url`, to a JPEG of up to 16 frames."""
    file_size_bytes: int | None = None
    sha256: str | None = None
    duration_seconds: float | None = None
    processing_time_seconds: float | None = None
    report: Report | None = None
    error: ErrorInfo | None = None
    error_message: str | None = None


class PartProgress(Model):
    """How far one part of a reel is."""

    index: int
    """In `clips`, from 0."""
    stage: PartStage
    progress_percent: float


class ProgressMessage(Message):
    """On `clipping-progress`, at most one a second and clip, and one at each change of stage."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    request_id: str
    status: Literal["processing"] = "processing"
    stage: Stage
    progress_percent: float
    agent_id: str
    epoch: int
    attempt: int
    seq: int
    """Increases within one attempt; readers drop older messages."""
    checkpoint: Checkpoint | None = None
    """In every message after the first finished segment of a long encode, and after it was resumed."""
    last_error: LastError | None = None
    """With stage `retrying`: the error."""
    parts: tuple[PartProgress, ...] | None = Field(default=None, strict=False)
    """Of a reel: the progress of each part, in their order."""
    next_attempt_at: Moment | None = None
    """With stage `retrying`: when it is tried again. Exact within an attempt; for another attempt an estimate
    from the subscription's retry policy, at the earliest."""


TO_METADATA = ("user_email", "requested_at")
"""Fields of the previous service, which its clients may continue to send."""


def _as_now(body: dict[str, Any]) -> dict[str, Any]:
    """The body as a client of this service would send it. Raises `InvalidRequest`."""
    body = {**body}
    if "output_quality" in body and body["output_quality"] is None:
        del body["output_quality"]
    noted = {name: body.pop(name) for name in TO_METADATA if name in body}
    for name, value in noted.items():
        if value is not None and not (isinstance(value, str) and len(value) <= MAX_METADATA_VALUE):
            raise InvalidRequest(
                f"{name} must be a string of at most {MAX_METADATA_VALUE} characters, or null", field=name
            )
    given = {name: value for name, value in noted.items() if value is not None}
    metadata = body.get("metadata", {})
    if given and isinstance(metadata, dict):
        body["metadata"] = given | metadata
    return body


def parse_clip_request(
    body: object,
    *,
    max_clip_seconds: float,
    max_short_seconds: float = math.inf,
    high_mode: Mode | None = None,
) -> ClipRequest:
    """A caller's decoded JSON body as a request. `high_mode`: see `cutting.default_mode`.

    Raises `InvalidRequest` naming the first invalid field.
    """
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object")
    body = _as_now(body)
    asked = parse_effects(body["effects"]) if "effects" in body else None
    if asked is not None:
        body["effects"] = asked.effects
    if high_mode is not None and "mode" not in body:
        body = {**body, "mode": default_mode(body, high_mode)}
    try:
        request = ClipRequest.model_validate(body)
    except ValidationError as error:
        raise first_problem(error) from None
    if asked is not None:
        request = request.with_effects(asked)
    check_length(request, max_clip_seconds=max_clip_seconds, max_short_seconds=max_short_seconds)
    return request


def check_length(request: ClipRequest, *, max_clip_seconds: float, max_short_seconds: float) -> None:
    """Raises `InvalidRequest` for a clip that is too long, in the recording or at its speed."""
    longest, kind = max_clip_seconds, "allowed"
    if request.output.short and max_short_seconds < longest:
        longest, kind = max_short_seconds, "9:16"
    if request.source_seconds > longest:
        raise InvalidRequest(
            f"the clip would be {request.source_seconds:g} s long; the longest {kind} is {longest:g} s: "
            "choose a later start_seconds or an earlier end_seconds",
            field="end_seconds",
        )
    if request.length_seconds > longest:
        raise InvalidRequest(
            f"effects.segments make the clip {request.length_seconds:g} s long; the longest {kind} is "
            f"{longest:g} s: choose higher speeds or a shorter clip",
            field="effects.segments",
        )
