"""The web console: static files, which need no key. What they load from the API needs one."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from console import STATIC

blueprint = Blueprint("console", __name__)

PATH = "/console/"
_PAGE = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# With Trusted Types and no policy, the browser refuses every way to parse text as HTML or as a script. Videos
# come from Media Source Extensions (blob:), and from the local store's links.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True)
class _File:
    content: bytes
    compressed: bytes
    mimetype: str
    etag: str


@blueprint.get(PATH)
def page() -> Response:
    """The page."""
    return file(_PAGE)


@blueprint.get(f"{PATH}<name>")
def file(name: str) -> Response:
    """A file of the page. Browsers keep it, and ask whether it has changed."""
    found = _files().get(name)
    if found is None:
        raise NotFound
    compress = request.accept_encodings.quality("gzip") > 0
    response = Response(found.compressed if compress else found.content, content_type=found.mimetype)
    if compress:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{found.etag}{'-gzip' if compress else ''}")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = _POLICY
    response.make_conditional(request)
    return response


@cache
def _files() -> dict[str, _File]:
    # All at once: the names are the whole of what may be served.
    return {path.name: _read(path) for path in STATIC.iterdir() if path.suffix in _TYPES}


def _read(path: Path) -> _File:
    content = path.read_bytes()
    etag = hashlib.sha256(content).hexdigest()[:16]
    return _File(content, gzip.compress(content, mtime=0), _TYPES[path.suffix], etag)
