"""The console on the port of the health page, for editors on the LAN.

Its page loads previews from where it comes from, and calls the API by itself: no key goes through the agent.
"""

from __future__ import annotations

from flask import Flask, Response

from agent.preview import responses
from clipping.http.security import SECURITY
from console.files import PATH, PREFIX, blueprint
from health.page.limits import CallLimits, Rate
from health.page.server import Mount

THREADS = 2
CALLER, TOTAL = Rate(50.0, 1000.0), Rate(100.0, 2000.0)
"""A page loads all of its files at once, and editors behind a proxy have one address."""


def console_mount(api_url: str, agent_id: str) -> Mount:
    """The console, whose page calls the API at the origin `api_url`."""
    app, limits = console_app(api_url, agent_id), CallLimits(CALLER, TOTAL)
    return Mount(PREFIX, app, threads=THREADS, limits=limits, page=PATH)


def console_app(api_url: str, agent_id: str) -> Flask:
    """The app, to be mounted at `PREFIX`."""
    app = Flask("console", static_folder=None)
    responses.install_errors(app)
    app.register_blueprint(blueprint(api_url, agent_id))

    @app.after_request
    def headers(response: Response) -> Response:
        for name, value in (*SECURITY.items(), ("Cache-Control", "no-store")):
            response.headers.setdefault(name, value)
        return response

    return app
