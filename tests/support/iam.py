"""The metadata server and IAM's signBlob, for agents on Compute Engine or Cloud Run.

Responses have the documented format, with real signatures.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from google.auth.transport import Request, Response

from tests.support.gcs import ServiceAccount

TOKEN = "a-token-of-this-test"


class _Answer(Response):
    def __init__(self, status: int, body: object) -> None:
        self._status = status
        self._body = json.dumps(body).encode()

    @property
    def status(self) -> int:
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        return {"content-type": "application/json"}

    @property
    def data(self) -> bytes:
        return self._body


class LocalIam(Request):
    """Signs for requests with the token. `allowed = False` revokes the role."""

    def __init__(self, account: ServiceAccount) -> None:
        self.allowed = True
        self.account = account

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **named: Any,
    ) -> Response:
        parts = urlsplit(url)
        if parts.path.endswith("/token"):
            kind = "urn:ietf:params:oauth:token-type:access_token"
            answer = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            return _Answer(200, {**answer, "issued_token_type": kind})
        if parts.path.endswith(":generateAccessToken"):
            expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            return _Answer(200, {"accessToken": TOKEN, "expireTime": expires})
        if "/service-accounts/" in parts.path and method == "GET":
            return _Answer(200, {"email": self.account.email, "scopes": [], "aliases": ["default"]})
        if parts.path.endswith(f"/{self.account.email}:signBlob"):
            return self._sign(body or b"{}", headers or {})
        return _Answer(404, {"error": {"code": 404, "message": url}})

    def _sign(self, body: bytes, headers: Mapping[str, str]) -> Response:
        token = {name.lower(): value for name, value in headers.items()}.get("authorization")
        if not self.allowed or token != f"Bearer {TOKEN}":
            message = "Permission 'iam.serviceAccounts.signBlob' denied on resource"
            return _Answer(403, {"error": {"code": 403, "message": message}})
        payload = base64.b64decode(json.loads(body)["payload"])
        signature = self.account.private_key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
        return _Answer(200, {"keyId": "1", "signedBlob": base64.b64encode(signature).decode()})
