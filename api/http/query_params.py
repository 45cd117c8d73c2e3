"""Query parameters: strict, as a misspelt filter would list everything."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import cast, get_args

from api.db import changes
from api.db.listing import Filters, Position
from clipping.clock import parse_rfc3339, rfc3339
from clipping.contract.choices import DownloadFile, Kind, Period, Status
from clipping.contract.messages import HAND_ID, REQUEST_ID
from clipping.errors import InvalidPeriod, InvalidRequest

PERIODS: dict[Period, timedelta] = {
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}

MAX_LIMIT, DEFAULT_LIMIT = 200, 50
MAX_DAYS, DEFAULT_DAYS = 90, 10
"""Of takeovers, which are kept for longer."""
EAST = (-720, 840)
"""The clocks of the world: minutes before UTC."""
_OFFSET = re.compile(r"-?\d{1,3}", re.ASCII)
_LIMIT = re.compile(r"\d{1,3}", re.ASCII)
_HAND_ID = re.compile(HAND_ID)
_REQUEST_ID = re.compile(REQUEST_ID)


@dataclass(frozen=True)
class ListQuery:
    """A page of a filtered list."""

    filters: Filters
    behind: Position | None
    limit: int


def single_values(query: Mapping[str, Sequence[str]], known: Sequence[str]) -> dict[str, str]:
    """The value of each parameter. Raises `InvalidRequest` for unknown and repeated ones."""
    for name, values in query.items():
        if name not in known:
            raise InvalidRequest(f"{_shown(name)} is not a known parameter", field=_shown(name))
        if len(values) != 1:
            raise InvalidRequest(f"{name} is given twice", field=name)
    return {name: values[0] for name, values in query.items()}


def parse_list(query: Mapping[str, Sequence[str]], *, owner: str | None) -> ListQuery:
    """`GET /v1/clips`. Raises `InvalidRequest`."""
    known = ("kind", "hand_id", "status", "created_after", "created_before", "limit", "cursor")
    given = single_values(query, known)
    filters = Filters(
        owner=owner,
        kind=_kind(given.get("kind")),
        hand_id=_hand_id(given.get("hand_id")),
        status=_status(given.get("status")),
        created_after=_moment(given, "created_after"),
        created_before=_moment(given, "created_before"),
    )
    behind = _position(given["cursor"], filters) if "cursor" in given else None
    return ListQuery(filters, behind, parse_limit(given.get("limit")))


@dataclass(frozen=True)
class FeedQuery:
    """Which requests' events, and since when."""

    owner: str | None
    kind: Kind | None
    since: changes.Position | None


def parse_feed(query: Mapping[str, Sequence[str]]) -> FeedQuery:
    """`GET /v1/events`. Raises `InvalidRequest`."""
    given = single_values(query, ("owner", "kind", "since"))
    since = changes.parse_position(given["since"]) if "since" in given else None
    if "since" in given and since is None:
        raise InvalidRequest("since must be the id of an event of this stream", field="since")
    if given.get("owner") == "":
        raise InvalidRequest("owner must be the name of a caller", field="owner")
    return FeedQuery(given.get("owner"), _kind(given.get("kind")), since)


def parse_file(query: Mapping[str, Sequence[str]]) -> DownloadFile:
    """`GET /v1/clip/{id}/download` and that of a reel. Raises `InvalidRequest`."""
    value = single_values(query, ("file",)).get("file", "video")
    if value not in get_args(DownloadFile):
        raise InvalidRequest(f"file must be one of {', '.join(get_args(DownloadFile))}", field="file")
    return cast(DownloadFile, value)


def parse_period(query: Mapping[str, Sequence[str]]) -> Period:
    """`GET /v1/stats`. Raises `InvalidRequest`, or `InvalidPeriod`."""
    period = single_values(query, ("period",)).get("period", "24h")
    if period not in get_args(Period):
        raise InvalidPeriod(f"period must be one of {', '.join(get_args(Period))}", field="period")
    return cast(Period, period)


def parse_days(query: Mapping[str, Sequence[str]]) -> int:
    """`GET /v1/admin/takeovers`: for how many days. Raises `InvalidRequest`."""
    days = single_values(query, ("days",)).get("days")
    if days is None:
        return DEFAULT_DAYS
    if not _LIMIT.fullmatch(days) or not 1 <= int(days) <= MAX_DAYS:
        raise InvalidRequest(f"days must be a number from 1 to {MAX_DAYS}", field="days")
    return int(days)


@dataclass(frozen=True)
class TimeseriesQuery:
    """A period, and minutes of the caller's clock before UTC."""

    period: Period
    utc_offset_minutes: int


def parse_timeseries(query: Mapping[str, Sequence[str]]) -> TimeseriesQuery:
    """`GET /v1/stats/timeseries`. Raises `InvalidRequest`, or `InvalidPeriod`."""
    given = single_values(query, ("period", "utc_offset_minutes"))
    offset = given.pop("utc_offset_minutes", "0")
    if not _OFFSET.fullmatch(offset) or not EAST[0] <= int(offset) <= EAST[1]:
        raise InvalidRequest(
            f"utc_offset_minutes must be a whole number from {EAST[0]} to {EAST[1]}",
            field="utc_offset_minutes",
        )
    return TimeseriesQuery(parse_period({name: [value] for name, value in given.items()}), int(offset))


def parse_limit(value: str | None, default: int = DEFAULT_LIMIT) -> int:
    """How many are listed at a time. Raises `InvalidRequest`."""
    if value is None:
        return default
    if not _LIMIT.fullmatch(value) or not 1 <= int(value) <= MAX_LIMIT:
        raise InvalidRequest(f"limit must be a number from 1 to {MAX_LIMIT}", field="limit")
    return int(value)


def cursor_behind(last: Position, filters: Filters) -> str:
    """The cursor of the page after this row, for the same filters."""
    content = [last.created_at.isoformat(), last.request_id, _digest(filters)]
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _position(cursor: str, filters: Filters) -> Position:
    wrong = InvalidRequest("cursor must be a next_cursor of the same list", field="cursor")
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        moment, request_id, digest = json.loads(base64.b64decode(padded, b"-_", validate=True))
        position = Position(datetime.fromisoformat(moment), request_id)
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise wrong from None
    if digest != _digest(filters) or not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        raise wrong
    if position.created_at.utcoffset() != timedelta(0):
        raise wrong
    return position


def _digest(filters: Filters) -> str:
    parts = [rfc3339(part) if isinstance(part, datetime) else part for part in astuple(filters)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _hand_id(value: str | None) -> str | None:
    if value is not None and not _HAND_ID.fullmatch(value):
        raise InvalidRequest(
            "hand_id must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-', "
            "and start with a letter or a digit",
            field="hand_id",
        )
    return value


def _kind(value: str | None) -> Kind | None:
    if value is not None and value not in get_args(Kind):
        raise InvalidRequest(f"kind must be one of {', '.join(get_args(Kind))}", field="kind")
    return cast(Kind | None, value)


def _status(value: str | None) -> Status | None:
    if value is not None and value not in get_args(Status):
        raise InvalidRequest(f"status must be one of {', '.join(get_args(Status))}", field="status")
    return cast(Status | None, value)


def _moment(given: Mapping[str, str], name: str) -> datetime | None:
    if name not in given:
        return None
    try:
        return parse_rfc3339(given[name])
    except ValueError as error:
        raise InvalidRequest(f"{name} {error}", field=name) from None


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= 64 else "a parameter"
