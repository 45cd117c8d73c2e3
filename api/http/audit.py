"""The audit log: a line `audit` for each change, and for each caller that was refused."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, request

from api.auth.callers import Caller
from clipping.log import get_logger

_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_TURNED_AWAY = frozenset({401, 403, 429})
_LONGEST = 200

log = get_logger(__name__)


def install(app: Flask) -> None:
    """Write the lines."""
    app.after_request(_after)


def note(**fields: Any) -> None:
    """Add fields that are not in the path to this request's line, such as a new id."""
    g.audit = {**g.get("audit", {}), **fields}


def _after(response: Response) -> Response:
    if not request.path.startswith("/v1/") or request.url_rule is None:
        return response
    turned_away = response.status_code in _TURNED_AWAY
    # Every progress message is a push: its changes are logged separately.
    change = request.method in _CHANGES and request.blueprint != "internal"
    if change or turned_away:
        _write(response)
    return response


def _write(response: Response) -> None:
    caller: Caller | None = g.get("caller")
    agent = request.headers.get("User-Agent", "")
    log.info(
        "audit",
        who=caller.name if caller else None,
        role=caller.role if caller else None,
        via=caller.via if caller else None,
        what=(request.endpoint or "").rpartition(".")[2],
        **{**(request.view_args or {}), **g.get("audit", {})},
        address=request.remote_addr,
        agent=agent[:_LONGEST] or None,
        status=response.status_code,
        code=g.get("error_code"),
        id=g.request_id,
    )
