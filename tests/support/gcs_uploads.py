"""What fake-gcs-server lacks of uploads by clients: signatures, preconditions, sizes, sessions and CORS.

A rule for `HttpProxy`, after "Signed URLs", "Resumable uploads" and "XML API headers" in Google's
documentation.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.support import v4
from tests.support.gcs import FakeGcs
from tests.support.http_proxy import Exchange, Instead

PERSISTED = 256 << 10
"""What arrives of a request that breaks off is kept in multiples of this."""
SECONDS = 30.0
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+)")
_SESSIONS = re.compile(r"/upload/storage/v1/b/([^/]+)/o")


@dataclass
class Session:
    """A resumable upload."""

    bucket: str
    name: str
    content_type: str
    size: int
    create_only: bool
    data: bytes = b""
    done: bool = False


class GcsUploads:
    """The rule. `key` verifies signatures."""

    def __init__(self, server: FakeGcs, key: RSAPublicKey) -> None:
        self._server, self._key = server, key
        self.sessions: dict[str, Session] = {}
        self.cors: dict[str, list[dict[str, Any]]] = {}

    def __call__(self, asked: Exchange) -> Instead | None:
        parts = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if (found := _SESSIONS.fullmatch(parts.path)) and query.get("uploadType") == "resumable":
            if asked.method == "POST":
                return self._begin(asked, found[1], query)
            return self._go_on(asked, self.sessions.get(query.get("upload_id", "")))
        if asked.method == "PUT" and "X-Goog-Signature" in query:
            return self._put(asked, parts.path)
        if (found := re.fullmatch(r"/storage/v1/b/([^/]+)", parts.path)) is not None:
            return self._bucket(asked, found[1])
        return None

    def _put(self, asked: Exchange, path: str) -> Instead:
        url = f"http://{asked.headers['Host']}{asked.path}"
        try:
            v4.verify(
                url, key=self._key, now=datetime.now(UTC), method="PUT", headers=dict(asked.headers.items())
            )
        except v4.Refused as error:
            code = str(error).partition(":")[0]
            return _error(400 if code in ("ExpiredToken", "MalformedSecurityHeader") else 403, code)
        if len(asked.body) < int(asked.headers["Content-Length"]):
            return _error(400, "IncompleteBody")
        least, _, most = asked.headers.get("x-goog-content-length-range", "0,99999999999").partition(",")
        if not int(least) <= len(asked.body) <= int(most):
            return _error(400, "EntityTooSmall" if len(asked.body) < int(least) else "EntityTooLarge")
        _, bucket, name = path.split("/", 2)
        if asked.headers.get("x-goog-if-generation-match") == "0" and self._exists(bucket, unquote(name)):
            return _error(412, "PreconditionFailed")
        return self._store(bucket, unquote(name), asked.headers["Content-Type"], asked.body)

    def _begin(self, asked: Exchange, bucket: str, query: dict[str, str]) -> Instead:
        named = json.loads(asked.body or b"{}")
        session = Session(
            bucket,
            query.get("name") or named["name"],
            asked.headers["X-Upload-Content-Type"],
            int(asked.headers["X-Upload-Content-Length"]),
            query.get("ifGenerationMatch") == "0",
        )
        if session.create_only and self._exists(bucket, session.name):
            return _error(412, "conditionNotMet")
        self.sessions[token := secrets.token_hex(16)] = session
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={token}"
        return Instead(200, b"", {"Location": f"http://{asked.headers['Host']}{path}"})

    def _go_on(self, asked: Exchange, session: Session | None) -> Instead:
        if session is None:
            return _error(404, "notFound")
        if session.done:
            return Instead(200, b"{}")
        stated = asked.headers.get("Content-Range")
        found = _RANGE.fullmatch(
            stated or f"bytes 0-{int(asked.headers['Content-Length']) - 1}/{session.size}"
        )
        if found is None or int(found[3]) != session.size:
            return _error(400, "badRequest")
        if found[1] is not None:
            if int(found[1]) > len(session.data) or int(found[2]) >= session.size:
                return _error(400, "badRequest")
            session.data = session.data[: int(found[1])] + asked.body
            if len(asked.body) < int(asked.headers["Content-Length"]):
                session.data = session.data[: len(session.data) // PERSISTED * PERSISTED]
            elif stated is None and len(session.data) != session.size:
                return _error(400, "badRequest")
        if len(session.data) == session.size:
            return self._finish(session)
        have = {"Range": f"bytes=0-{len(session.data) - 1}"} if session.data else {}
        return Instead(308, b"", have)

    def _finish(self, session: Session) -> Instead:
        if session.create_only and self._exists(session.bucket, session.name):
            return _error(412, "conditionNotMet")
        stored = self._store(session.bucket, session.name, session.content_type, session.data)
        session.done = stored.status == 200
        return stored

    def _store(self, bucket: str, name: str, content_type: str, data: bytes) -> Instead:
        stored = requests.post(
            f"{self._server.url}/upload/storage/v1/b/{bucket}/o",
            params={"uploadType": "media", "name": name},
            data=data,
            headers={"Content-Type": content_type},
            timeout=SECONDS,
        )
        return Instead(stored.status_code, stored.content)

    def _bucket(self, asked: Exchange, bucket: str) -> Instead | None:
        if asked.method == "PATCH":
            self.cors[bucket] = json.loads(asked.body).get("cors", self.cors.get(bucket, []))
        elif asked.method != "GET":
            return None
        answer = requests.request(
            asked.method,
            f"{self._server.url}/storage/v1/b/{bucket}",
            data=asked.body,
            headers={"Content-Type": "application/json"},
            timeout=SECONDS,
        )
        if not answer.ok:
            return Instead(answer.status_code, answer.content)
        body = {**answer.json(), "cors": self.cors.get(bucket, [])}
        return Instead(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _exists(self, bucket: str, name: str) -> bool:
        url = f"{self._server.url}/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
        return requests.get(url, timeout=SECONDS).ok


def _error(status: int, code: str) -> Instead:
    return Instead(status, f"<Error><Code>{code}</Code></Error>".encode())
