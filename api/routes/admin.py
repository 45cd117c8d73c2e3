"""The administrator's routes: the agents' state, failovers and pauses."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Self, TypeVar

from flask import Blueprint, Response, request
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from api.auth.access import caller, requires
from api.clips.idempotency import HEADER, repeat_of
from api.cluster.failovers import Wanted
from api.cluster.views import cluster_of, failover_of, pause_state_of
from api.db.in_flight import Busy, busy
from api.domain.cluster.decisions import Direction
from api.domain.cluster.outcome import Operation
from api.http.body import read_optional_json
from api.http.query_params import parse_days
from api.services import Services, services
from clipping.clock import parse_rfc3339
from clipping.config import Name
from clipping.contract.choices import FailoverMode
from clipping.contract.problems import first_problem
from clipping.contract.results import Result
from clipping.errors import InvalidRequest, NotFound, QueueUnavailable
from clipping.log import get_logger
from clipping.text import is_plain_text

blueprint = Blueprint("admin", __name__, url_prefix="/v1/admin")

DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS = 20.0, 55.0
"""Below the timeout of Cloud Run and most proxies, one minute."""
LONGEST_PAUSE = timedelta(days=366)
"""The maximum duration of a pause with `until`, as a forgotten one should end. Without `until` it lasts until
it is resumed."""
log = get_logger(__name__)

_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_OPERATION_ID = re.compile(r"failover-\d{8}-[0-9a-hjkmnp-tv-z]{16}", re.ASCII)


def _plain(text: str) -> str:
    if not is_plain_text(text):
        raise ValueError("must not contain control characters")
    return text


Reason = Annotated[str, Field(max_length=500), AfterValidator(_plain)]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, data: dict[str, Any]) -> dict[str, Any]:
        for name, value in data.items():
            if value is None:
                raise InvalidRequest(f"{name} must not be null: leave it out", field=name)
        return data


class FailoverRequest(_Body):
    """Options of a failover; all are optional."""

    target: Name | None = None
    direction: Direction | None = None
    mode: FailoverMode = "graceful"
    reason: Reason = ""
    wait_seconds: Annotated[float, Field(ge=0, le=MAX_WAIT_SECONDS)] = DEFAULT_WAIT_SECONDS

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.direction == "to" and self.target is not None:
            raise InvalidRequest(
                "target must be left out when direction is to: the agent in the path takes over",
                field="target",
            )
        return self


class PauseRequest(_Body):
    """The reason and the end of a pause; both are optional."""

    reason: Reason = ""
    until: Annotated[datetime, BeforeValidator(parse_rfc3339)] | None = None


class ResumeRequest(_Body):
    """The optional reason."""

    reason: Reason = ""


Body = TypeVar("Body", bound=_Body)


@blueprint.get("/agents")
@requires("admin")
def agents() -> Response:
    """All agents of the cluster, and the leader."""
    parts = services()
    snapshot = parts.coordination.snapshot()
    return _json(cluster_of(snapshot, parts.config.ha, _busy(parts), parts.clock.now()))


@blueprint.get("/takeovers")
@requires("admin")
def takeovers() -> Response:
    """Who led, newest first."""
    days = parse_days(request.args.to_dict(flat=False))
    parts = services()
    return _json(parts.takeovers.since(parts.clock.now() - timedelta(days=days)))


@blueprint.post("/agents/<agent_id>/failover")
@requires("admin")
def failover(agent_id: str) -> Response:
    """Hand over the lease: from the leader, or to a standby."""
    parts = services()
    body = _read(parts)
    asked = _parsed(FailoverRequest, body)
    if not _AGENT_ID.fullmatch(agent_id):
        raise NotFound("agent not found")
    wanted = Wanted(agent_id, asked.target, asked.direction, asked.mode, asked.reason, caller().name)
    repeat = repeat_of(request.headers.get(HEADER), owner=caller().name, path=request.path, body=body)
    operation = parts.failovers.begin(wanted, repeat)
    operation = parts.failovers.wait(operation, asked.wait_seconds)
    response = _json(failover_of(operation), status=200 if operation.finished else 202)
    response.headers["Location"] = f"/v1/admin/failovers/{operation.operation_id}"
    return response


@blueprint.get("/failovers/<operation_id>")
@requires("admin")
def failover_status(operation_id: str) -> Response:
    """The state of a failover."""
    return _json(failover_of(_find(operation_id, services())))


@blueprint.post("/pause")
@requires("admin")
def pause() -> Response:
    """Pause automatic takeovers. Requested failovers still work."""
    parts = services()
    asked = _body(PauseRequest, parts)
    if asked.until is not None and not timedelta(0) < asked.until - parts.clock.now() < LONGEST_PAUSE:
        raise InvalidRequest("until must be in the future and within one year", field="until")
    snapshot = parts.failovers.pause(reason=asked.reason, until=asked.until, paused_by=caller().name)
    return _json(pause_state_of(snapshot))


@blueprint.post("/resume")
@requires("admin")
def resume() -> Response:
    """Resume automatic takeovers."""
    parts = services()
    asked = _body(ResumeRequest, parts)
    return _json(pause_state_of(parts.failovers.resume(reason=asked.reason, resumed_by=caller().name)))


def _busy(parts: Services) -> Busy | None:
    """None while the database does not answer: the agents are shown all the same."""
    try:
        with parts.database.read() as session:
            return busy(session, failed_since=parts.clock.now() - timedelta(hours=24))
    except QueueUnavailable as error:
        log.warning("agents.work_unknown", reason=error.message)
        return None


def _find(operation_id: str, parts: Services) -> Operation:
    found = parts.failovers.find(operation_id) if _OPERATION_ID.fullmatch(operation_id) else None
    if found is None:
        raise NotFound("failover not found")
    return found


def _body(kind: type[Body], parts: Services) -> Body:
    return _parsed(kind, _read(parts))


def _read(parts: Services) -> dict[str, Any]:
    body: Any = read_optional_json(parts.config.api.max_body_bytes)
    if not isinstance(body, dict):
        raise InvalidRequest("the body must be a JSON object, or empty")
    return body


def _parsed(kind: type[Body], body: dict[str, Any]) -> Body:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise first_problem(error) from None


def _json(result: Result, *, status: int = 200) -> Response:
    return Response(result.to_json(), status=status, mimetype="application/json")
