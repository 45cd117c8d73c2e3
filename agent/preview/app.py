"""The routes: `/preview/v1/plan`, `/preview/v1/recordings` and what is below it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from flask import Flask, Response, request
from werkzeug.http import is_resource_modified

from agent.cutting.preview.previews import MOST_HEIGHT, MOST_STEPS, MOST_TILES
from agent.metrics import PREVIEW_SECONDS, PREVIEWS
from agent.preview import responses
from agent.preview.cache import Made, key_of
from agent.preview.calls import WindowCall, strip_of
from agent.preview.listing import MOST_LISTED, USUALLY_LISTED, name_of
from agent.preview.plans import Plans
from agent.preview.query import TOKEN, Query
from agent.preview.recordings import Opened, Recordings
from clipping.contract.json_body import check_values, decode_json
from clipping.contract.preview import KeyframeList
from clipping.contract.preview_keys import PreviewToken
from clipping.errors import InvalidRequest, Unauthorized, UnsupportedMediaType

PREFIX = "/preview/v1/"
LEAST_HEIGHT = 16
USUAL_WINDOW = Fraction(10)
_CACHE_CONTROL = "private, no-cache"
"""A browser keeps it, and asks whether it still holds: the recording may change."""


def token_of(authorization: str, query: str | None) -> str:
    """The token in a header, else in the query. Raises `Unauthorized`."""
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() == "bearer" and credential.strip():
        return credential.strip()
    if query:
        return query
    raise Unauthorized(
        "send a preview token as `Authorization: Bearer …` or ?token=: POST /v1/previews/token"
    )


def preview_app(
    recordings: Recordings, plans: Plans, origins: Callable[[], Sequence[str]], agent_id: str
) -> Flask:
    """The app, to be mounted at `PREFIX`."""
    app = Flask("preview", static_folder=None)
    _measure(app)
    responses.install(app, origins, agent_id)
    routes = _Routes(recordings, plans)
    app.add_url_rule(f"{PREFIX}recordings", "list", routes.list)
    app.add_url_rule(f"{PREFIX}plan", "plan", routes.plan, methods=["POST"])
    one = f"{PREFIX}recordings/<recording_id>"
    app.add_url_rule(one, "describe", routes.describe)
    app.add_url_rule(f"{one}/keyframes", "keyframes", routes.keyframes)
    app.add_url_rule(f"{one}/window.mp4", "window", routes.window)
    app.add_url_rule(f"{one}/strip.jpg", "strip", routes.strip)
    app.add_url_rule(f"{one}/strip.vtt", "tiles", routes.tiles)
    app.add_url_rule(f"{one}/peaks", "peaks", routes.peaks)
    app.add_url_rule(f"{one}/still.jpg", "still", routes.still)
    return app


class _Routes:
    """Each verifies the token first."""

    def __init__(self, recordings: Recordings, plans: Plans) -> None:
        self._recordings, self._plans = recordings, plans

    def list(self) -> Response:
        token = self._token()
        query = _query("root", "prefix", "q", "limit", "cursor")
        cursor = query.text("cursor")
        found = self._recordings.page(
            token,
            query.text("root"),
            query.text("prefix") or "",
            query.text("q") or "",
            query.number("limit", USUALLY_LISTED, 1, MOST_LISTED),
            None if cursor is None else name_of(cursor),
        )
        return Response(found.to_json(), mimetype="application/json")

    def plan(self) -> Response:
        token = self._token()
        _query()
        if request.mimetype != "application/json":
            raise UnsupportedMediaType("the body must be JSON: send Content-Type: application/json")
        plan = self._plans.plan(token, check_values(decode_json(request.get_data(cache=False))))
        return Response(plan.to_json(), mimetype="application/json")

    def describe(self, recording_id: str) -> Response:
        token = self._token()
        _query()
        with self._recordings.opened(token, recording_id) as opened:
            return Response(self._recordings.describe(opened).to_json(), mimetype="application/json")

    def keyframes(self, recording_id: str) -> Response:
        def call(opened: Opened) -> Response:
            part = self._recordings.part(opened, query.seconds("from"), query.seconds("to"))
            made = self._recordings.calls.keyframes(opened.source, part)
            return Response(KeyframeList.model_validate(made.facts).to_json(), mimetype="application/json")

        token = self._token()
        query = _query("from", "to")
        return self._answered(token, recording_id, call)

    def window(self, recording_id: str) -> Response:
        token = self._token()
        query = _query("t", "d", "audio", "more", "encode")
        wanted = WindowCall(
            query.seconds("t") or Fraction(0),
            query.seconds("d") or USUAL_WINDOW,
            query.flag("audio", default=True),
            query.text("more"),
            query.flag("encode", default=False),
        )

        def call(opened: Opened) -> Response:
            made = self._recordings.window(opened, wanted)
            return _media(made, made.facts["mime"])

        return self._answered(token, recording_id, call)

    def strip(self, recording_id: str) -> Response:
        def finish(made: Made) -> Response:
            strip = strip_of(made)
            facts = {"columns": strip.columns, "width": strip.width, "height": strip.height}
            return _media(Made(facts | {"tiles": len(strip.times)}, made.data), "image/jpeg")

        return self._strip(recording_id, finish)

    def tiles(self, recording_id: str) -> Response:
        def finish(made: Made) -> Response:
            # The image has the same query, the token included.
            image = f"strip.jpg?{request.query_string.decode('latin-1')}"
            return Response(strip_of(made).webvtt(image), mimetype="text/vtt")

        return self._strip(recording_id, finish)

    def peaks(self, recording_id: str) -> Response:
        token = self._token()
        query = _query("from", "to", "px")
        px = query.number("px", 1000, 1, MOST_STEPS)

        def call(opened: Opened) -> Response:
            part = self._recordings.part(opened, query.seconds("from"), query.seconds("to"))
            return _media(self._recordings.calls.peaks(opened.source, part, px), "application/octet-stream")

        return self._answered(token, recording_id, call, background=True)

    def still(self, recording_id: str) -> Response:
        token = self._token()
        query = _query("t", "h")
        t, height = query.seconds("t") or Fraction(0), query.number("h", 360, LEAST_HEIGHT, MOST_HEIGHT)

        def call(opened: Opened) -> Response:
            return _media(self._recordings.calls.still(opened.source, t, height), "image/jpeg")

        return self._answered(token, recording_id, call)

    def _strip(self, recording_id: str, finish: Callable[[Made], Response]) -> Response:
        token = self._token()
        query = _query("from", "to", "n", "h")
        n, height = query.number("n", 60, 1, MOST_TILES), query.number("h", 90, LEAST_HEIGHT, MOST_HEIGHT)

        def call(opened: Opened) -> Response:
            part = self._recordings.part(opened, query.seconds("from"), query.seconds("to"))
            return finish(self._recordings.calls.strip(opened.source, part, n, height))

        return self._answered(token, recording_id, call, background=True)

    def _token(self) -> PreviewToken:
        query = request.args.getlist(TOKEN)
        if len(query) > 1:
            raise InvalidRequest("token is given twice", field=TOKEN)
        given = token_of(request.headers.get("Authorization", ""), query[0] if query else None)
        return self._recordings.admit(given)

    def _answered(
        self,
        token: PreviewToken,
        recording_id: str,
        call: Callable[[Opened], Response],
        *,
        background: bool = False,
    ) -> Response:
        """What `call` returns, unless the browser has it already."""
        with self._recordings.opened(token, recording_id, background=background) as opened:
            etag = _etag(opened)
            if not is_resource_modified(request.environ, etag=etag):
                response = Response(status=304)
            else:
                response = call(opened)
        response.set_etag(etag)
        response.headers["Cache-Control"] = _CACHE_CONTROL
        return response


def _query(*known: str) -> Query:
    return Query(request.args.to_dict(flat=False), known)


def _etag(opened: Opened) -> str:
    arguments = sorted((name, value) for name, value in request.args.items() if name != TOKEN)
    key = key_of(opened.source.identity, request.path, *arguments)
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _media(made: Made, content_type: str) -> Response:
    response = Response(made.data, content_type=content_type)
    response.headers.extend(responses.facts_as_headers({k: v for k, v in made.facts.items() if k != "mime"}))
    return response


def _measure(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        request.environ["preview.began"] = time.monotonic()

    @app.after_request
    def count(response: Response) -> Response:
        call: Any = request.endpoint or "unknown"
        PREVIEWS.labels(call, str(response.status_code)).inc()
        PREVIEW_SECONDS.labels(call).observe(time.monotonic() - request.environ["preview.began"])
        return response
