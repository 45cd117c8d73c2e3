"""HTTP with timeouts, and retries of idempotent calls."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests

from clipping import __version__
from clipping.client.failures import ApiError, NoAnswer, Refused, Unavailable, error_of
from clipping.errors import ConfigurationError

CONNECT_SECONDS = 5.0
PUT_SECONDS = 120.0
"""How long an upload may make no progress: a store may take this long to answer a large one."""
IF_NONE_MATCH = "If-None-Match"


@dataclass(frozen=True)
class Retries:
    """Retries of idempotent calls, with exponential backoff and jitter."""

    tries: int = 5
    """The maximum number of attempts."""
    within_seconds: float = 60.0
    """No retry starts later than this after the first attempt."""
    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 10.0

    def wait_before(self, repeat: int, *, asked: float | None) -> float:
        """Seconds before retry number `repeat` (1 is the first); `asked` is the service's `Retry-After`."""
        longest = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** (repeat - 1))
        return max(asked or 0.0, longest * random.uniform(0.5, 1.0))


NO_RETRIES = Retries(tries=1)


@dataclass(frozen=True)
class Answer:
    """A successful response."""

    body: bytes | None
    """None: the caller has it already (304)."""
    etag: str | None


class Transport:
    """One service, one key. Not to be shared between threads."""

    def __init__(
        self, url: str, *, key: str | None, timeout: float, retries: Retries, verify: bool | str = True
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigurationError([f"url: must look like https://clips.example.com, not {url!r}"])
        if key is not None and not (key and key.isascii() and key.isprintable() and key.strip() == key):
            raise ConfigurationError(["key: must be visible ASCII characters"])
        self.timeout = timeout
        self._url = url.rstrip("/")
        self._retries = retries
        self._session = requests.Session()
        self._session.verify = verify
        self._session.headers["User-Agent"] = f"clipping/{__version__}"
        # Credentials in a netrc file or in the environment are not for this service.
        self._session.auth = _Bearer(key)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        timeout: float | None = None,
    ) -> Answer:
        """A successful response. Raises `ApiError` or `NoAnswer`.

        `repeatable`: the call is idempotent. `timeout` limits one attempt, in seconds.
        """
        retries = self._retries if repeatable else NO_RETRIES
        began = time.monotonic()
        for repeat in range(1, retries.tries + 1):
            try:
                answer = self.send(
                    method, path, query=query, body=body, headers=headers, timeout=timeout or self.timeout
                )
                with answer:
                    changed = answer.status_code != HTTPStatus.NOT_MODIFIED
                    return Answer(answer.content if changed else None, answer.headers.get("ETag"))
            except (NoAnswer, Unavailable) as error:
                asked = error.retry_after if isinstance(error, Unavailable) else None
                wait = retries.wait_before(repeat, asked=asked)
                late = time.monotonic() + wait - began > retries.within_seconds
                if repeat == retries.tries or late:
                    raise
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout: float,
        stream: bool = False,
    ) -> requests.Response:
        """One attempt: a response of 2xx, or a 304 to `If-None-Match`. Raises `ApiError` or `NoAnswer`."""
        known = IF_NONE_MATCH in (headers or {})
        try:
            answer = self._session.request(
                method,
                self._url + path,
                params={name: value for name, value in (query or {}).items() if value is not None},
                json=body,
                headers=dict(headers or {}),
                timeout=(CONNECT_SECONDS, timeout),
                stream=stream,
                allow_redirects=False,
            )
            if answer.status_code < 300 or (known and answer.status_code == HTTPStatus.NOT_MODIFIED):
                return answer
            with answer:
                raise _error(answer)
        except requests.exceptions.InvalidJSONError:
            problem = "the request holds a number that is not finite"
            raise Refused(problem, status=400, code="INVALID_REQUEST") from None
        except requests.RequestException as error:
            raise NoAnswer(f"{self._url} does not answer: {_sentence(error)}") from None

    def open_link(self, url: str, *, headers: Mapping[str, str]) -> requests.Response:
        """One attempt to fetch a link of the store, without the key. Raises `ApiError` or `NoAnswer`."""
        try:
            answer = self._session.get(
                url,
                headers=dict(headers),
                auth=_Bearer(None),
                timeout=(CONNECT_SECONDS, self.timeout),
                stream=True,
            )
        except requests.RequestException as error:
            host = urlsplit(url).netloc
            raise NoAnswer(f"{host} does not answer: {_sentence(error)}") from None
        if answer.status_code < 300:
            return answer
        with answer:
            raise _error(answer)

    def put(self, url: str, *, headers: Mapping[str, str], body: Any) -> requests.Response:
        """One attempt to upload to a link of the store, without the key: a response of 2xx, or a 308 of a
        session that waits for more. Raises `ApiError` or `NoAnswer`."""
        try:
            answer = self._session.put(
                url,
                data=body,
                headers=dict(headers),
                auth=_Bearer(None),
                timeout=(CONNECT_SECONDS, max(self.timeout, PUT_SECONDS)),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise NoAnswer(f"{urlsplit(url).netloc} does not answer: {_sentence(error)}") from None
        if answer.status_code < 300 or answer.status_code == HTTPStatus.PERMANENT_REDIRECT:
            return answer
        with answer:
            raise _error(answer)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Bearer(requests.auth.AuthBase):
    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def _error(answer: requests.Response) -> ApiError:
    if answer.is_redirect:
        to = answer.headers.get("Location", "")[:200]
        return ApiError(
            f"the service is elsewhere: {to}. Use that address", status=answer.status_code, code="REDIRECTED"
        )
    return error_of(
        answer.status_code,
        answer.content,
        retry_after=_retry_after(answer.headers.get("Retry-After")),
        request_id=answer.headers.get("X-Request-Id"),
    )


def _retry_after(value: str | None) -> float | None:
    """Seconds from either form of the header (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    return None


def _sentence(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    # urllib3's reason is at the end of a long chain of wrapped errors.
    return str(error).rpartition(": ")[2].rstrip(")'\"") or type(error).__name__
