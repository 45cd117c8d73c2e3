"""Serves the console's files in a Flask app: the API's, and an agent's on a LAN.

They need no key. What they load from the API and from agents needs one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from console import STATIC

PREFIX = "/console"
"""What all paths begin with."""
PATH = f"{PREFIX}/"
WHERE = "where.js"
"""The file that says where the API is: the only one that differs between servers."""
_PAGE = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    compressed: bytes
    mimetype: str
    etag: str


def blueprint(api_url: str = "", agent_id: str = "") -> Blueprint:
    """The routes of the page and its files.

    `api_url`: the API's origin, where the page comes from an agent, whose id is `agent_id`. Empty: the page
    comes from the API.
    """
    routes = Blueprint("console", __name__)
    known, policy = _read_all(api_url, agent_id), _policy(api_url)

    @routes.get(PATH)
    def page() -> Response:
        """The page."""
        return file(_PAGE)

    @routes.get(f"{PATH}<name>")
    def file(name: str) -> Response:
        """A file of the page. Browsers keep it, and ask whether it has changed."""
        found = known.get(name)
        if found is None:
            raise NotFound
        return _response(found, policy)

    return routes


def _policy(api_url: str) -> str:
    # With Trusted Types and no policy, the browser refuses every way to parse text as HTML or as a script.
    # Videos come from Media Source Extensions (blob:), and from the API, where links to a local store lead.
    api = f" {api_url}" if api_url else ""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src 'self' blob: data:{api}; media-src 'self' blob:{api}; connect-src 'self'{api}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _response(found: _File, policy: str) -> Response:
    compress = request.accept_encodings.quality("gzip") > 0
    response = Response(found.compressed if compress else found.content, content_type=found.mimetype)
    if compress:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{found.etag}{'-gzip' if compress else ''}")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = policy
    response.make_conditional(request)
    return response


def _read_all(api_url: str, agent_id: str) -> dict[str, _File]:
    # All at once: the names are the whole of what may be served.
    found = {path.name: _file(path, path.read_bytes()) for path in STATIC.iterdir() if path.suffix in _TYPES}
    if api_url:
        said = f"export const API = {json.dumps(api_url)}, AGENT = {json.dumps(agent_id)};\n"
        found[WHERE] = _file(STATIC / WHERE, said.encode())
    return found


def _file(path: Path, content: bytes) -> _File:
    etag = hashlib.sha256(content).hexdigest()[:16]
    return _File(content, gzip.compress(content, mtime=0), _TYPES[path.suffix], etag)
