"""Lists of clips, statistics over a period, and quotas."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.auth.access import caller, requires
from api.clips.quotas import shorts_left
from api.db import listing, stats
from api.db.listing import Position
from api.http.query_params import PERIODS, cursor_behind, parse_list, parse_period, single_values
from api.services import services
from clipping.contract.choices import Period
from clipping.contract.results import ClipPage, Quota, Stats

blueprint = Blueprint("lists", __name__, url_prefix="/v1")


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


@blueprint.get("/quota")
@requires("client")
def quota() -> Response:
    """What the caller may still request. An admin has a quota of its own, too."""
    single_values(request.args.to_dict(flat=False), ())
    parts = services()
    with parts.database.read() as session:
        limit = parts.config.limits.shorts_per_day
        shorts = shorts_left(session, caller().name, limit=limit, now=parts.clock.now())
    return Response(Quota(shorts=shorts).to_json(), mimetype="application/json")


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
