"""Lists of clips, statistics over a period, and quotas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.clips.quotas import shorts_left
from api.db import listing, stats
from api.db.listing import Position
from api.http.query_params import (
    PERIODS,
    cursor_behind,
    parse_list,
    parse_period,
    parse_timeseries,
    single_values,
)
from api.services import services
from clipping.contract.choices import Interval, Mode, Period
from clipping.contract.results import ClipPage, Longest, Quota, Stats, StatsBucket, StatsTimeseries

blueprint = Blueprint("lists", __name__, url_prefix="/v1")

_WIDTHS: dict[Interval, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@blueprint.get("/clips")
@requires("client")
def list_clips() -> Response:
    """The caller's requests (an admin's: all), newest first."""
    query = parse_list(request.args.to_dict(flat=False), owner=caller().sees)
    parts = services()
    with parts.database.read() as session:
        # One more than requested, to find out whether there is another page.
        found = listing.page(session, query.filters, behind=query.behind, limit=query.limit + 1)
    shown = found[: query.limit]
    cursor = None
    if len(found) > query.limit:
        cursor = cursor_behind(Position(shown[-1].created_at, shown[-1].request_id), query.filters)
    statuses = [parts.links.status(clip) for clip in parts.links.renew_all(shown)]
    page = ClipPage(clips=statuses, next_cursor=cursor)
    return Response(page.to_json(), mimetype="application/json")


@blueprint.get("/stats")
@requires("client")
def statistics() -> Response:
    """Statistics of the caller's requests (an admin's: of all)."""
    period = parse_period(request.args.to_dict(flat=False))
    parts = services()
    with parts.database.read() as session:
        since = parts.clock.now() - PERIODS[period]
        totals = stats.totals(session, owner=caller().sees, since=since)
    return Response(_stats(period, totals).to_json(), mimetype="application/json")


@blueprint.get("/stats/timeseries")
@requires("client")
def timeseries() -> Response:
    """The same, by hour or by day."""
    query = parse_timeseries(request.args.to_dict(flat=False))
    parts = services()
    now = parts.clock.now()
    since = now - PERIODS[query.period]
    interval: Interval = "hour" if query.period == "24h" else "day"
    width, offset = _WIDTHS[interval], timedelta(minutes=query.utc_offset_minutes)
    # Where the hour or day of that clock begins.
    origin = since - (since + offset - _EPOCH) % width
    with parts.database.read() as session:
        found = stats.over_time(session, owner=caller().sees, since=since, origin=origin, width=width)
    # A request may be newer than `now`.
    last = max([(now - origin) // width, *found])
    buckets = [
        _bucket(origin + number * width, found.get(number, stats.Bucket())) for number in range(last + 1)
    ]
    answer = StatsTimeseries(
        period=query.period, interval=interval, utc_offset_minutes=query.utc_offset_minutes, buckets=buckets
    )
    return Response(answer.to_json(), mimetype="application/json")


@blueprint.get("/quota")
@requires("client")
def quota() -> Response:
    """What the caller may still request. An admin has a quota of its own, too."""
    single_values(request.args.to_dict(flat=False), ())
    parts = services()
    with parts.database.read() as session:
        limits = parts.config.limits
        shorts = shorts_left(session, caller().name, limit=limits.shorts_per_day, now=parts.clock.now())
    longest = Longest(
        clip_seconds=limits.max_clip_seconds,
        short_seconds=limits.max_short_seconds,
        reel_seconds=limits.max_reel_seconds,
    )
    return Response(Quota(shorts=shorts, longest=longest).to_json(), mimetype="application/json")


def _stats(period: Period, totals: stats.Totals) -> Stats:
    counts = totals.by_status
    completed, failed = counts.get("completed", 0), counts.get("failed", 0)
    return Stats(
        period=period,
        total_requests=sum(counts.values()),
        completed=completed,
        failed=failed,
        queued=counts.get("queued", 0),
        success_rate=round(completed / max(1, completed + failed), 4),
        avg_processing_time_sec=round(totals.average_seconds or 0.0, 3),
        p95_processing_time_sec=round(totals.p95_seconds or 0.0, 3),
        total_output_bytes=totals.output_bytes,
    )


def _bucket(start: datetime, bucket: stats.Bucket) -> StatsBucket:
    return StatsBucket(
        start=start,
        total_requests=bucket.total,
        completed=bucket.completed,
        failed=bucket.failed,
        completed_by_mode={mode: bucket.by_mode[mode] for mode in get_args(Mode)},
        p50_processing_time_sec=_seconds(bucket.p50_seconds),
        p95_processing_time_sec=_seconds(bucket.p95_seconds),
        total_output_bytes=bucket.output_bytes,
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
