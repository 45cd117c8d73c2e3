"""Refuses requests before their body is read: bodies that are too large, and callers without a key."""

from __future__ import annotations

from api.auth.callers import Authenticator
from clipping.config import Api
from clipping.errors import InvalidRequest, PayloadTooLarge, RequestError, Unauthorized
from clipping.http.parser import RequestParser
from clipping.store.links import UPLOAD_PATH

FREE_BODY_BYTES = 16_384
"""Bodies up to this size are read from any client: they cost little, and the app's error is more specific."""
BODY_SLACK_BYTES = 65_536
"""How far a chunked body may exceed its limit, due to its framing."""
PUSH_PATH = "/v1/internal/pubsub"
MAX_PUSH_BYTES = 15_000_000
"""Pub/Sub's largest message is 10 MB, and base64 adds a third."""


class HeadCheck:
    """Checks a request by its headers alone. Never blocks."""

    def __init__(self, api: Api, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._limits = {PUSH_PATH: MAX_PUSH_BYTES} if api.push is not None else {}
        self._default_limit = api.max_body_bytes

    @property
    def largest_body_bytes(self) -> int:
        """The maximum size of a body, on any path."""
        return max(self._default_limit, *self._limits.values(), 0) + BODY_SLACK_BYTES

    @staticmethod
    def is_upload(method: str, path: str) -> bool:
        """Whether the app reads the body of such a request: it is as large as its URL says."""
        return method == "PUT" and path.startswith(UPLOAD_PATH)

    def __call__(self, head: RequestParser) -> RequestError | None:
        if head.chunked and self.is_upload(head.command, head.path):
            return InvalidRequest("an upload needs Content-Length: it can't be sent in chunks")
        most = self._limits.get(head.path, self._default_limit)
        head.max_body_bytes = most + BODY_SLACK_BYTES
        if head.content_length > most:
            return PayloadTooLarge(f"the body must be at most {most} bytes long")
        if not head.chunked and head.content_length <= FREE_BODY_BYTES:
            return None
        if self._authenticator.may_know(head.headers.get("AUTHORIZATION", "")):
            return None
        return Unauthorized("the body was not read, because the request has no valid key")
