"""Passes calls of previews on to an agent: the leader first, else one that answers.

What comes back is bounded in time and size, and nothing of it is followed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import requests
from requests.adapters import HTTPAdapter

from clipping.errors import Overloaded, PreviewUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

CONNECT_SECONDS = 2.0
READ_SECONDS = 40.0
"""Between two bytes: a preview may take half a minute."""
TOTAL_SECONDS = 120.0
MAX_BYTES = 64 << 20
_PIECE_BYTES = 1 << 16
_DOWN_SECONDS = 5.0
"""An agent that did not answer is asked last for this long."""
_RETRY_SECONDS = 1
AGENT_HEADER = "Preview-Agent"
"""In every answer of an agent that has previews."""
_PASSED = frozenset({"content-type", "content-length", "etag", "cache-control", "retry-after", "allow"})
_PASSED_PREFIX = "preview-"


@dataclass(frozen=True)
class Passed:
    """An agent's answer. Read `body` to its end, or call `close`."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]
    close: Callable[[], None]


class PreviewAgents:
    """Thread-safe. `leader` returns the id of the agent that leads, if that is known."""

    def __init__(self, agents: Mapping[str, str], leader: Callable[[], str | None], *, calls: int) -> None:
        """`calls`: how many may be in progress at the same time, as each holds a thread of the API."""
        self._agents, self._leader = dict(agents), leader
        self._calls = calls
        self._free = threading.BoundedSemaphore(calls)
        self._down: dict[str, float] = {}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, no .netrc
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=calls, max_retries=0))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Passed:
        """An agent's answer. `body`: of a call that may be repeated at another agent. Raises
        `PreviewUnavailable`, and `Overloaded`."""
        if not self._agents:
            raise PreviewUnavailable("no agent is configured for previews: list it in preview.agents")
        if not self._free.acquire(blocking=False):
            message = f"{self._calls} previews are being passed on: retry later"
            raise Overloaded(message, retry_after=_RETRY_SECONDS)
        try:
            return self._first(method, path, query, headers, body)
        except BaseException:
            self._free.release()
            raise

    def _first(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> Passed:
        reasons = []
        for agent_id in self._order():
            url = f"{self._agents[agent_id]}{path}" + (f"?{query}" if query else "")
            try:
                return self._passed(self._answer(method, url, headers, body))
            except PreviewUnavailable as error:
                reasons.append(f"{agent_id}: {error.message}")
                self._down[agent_id] = time.monotonic()
        message = f"no agent answers for previews: {'; '.join(reasons)}"
        log.warning("preview.unavailable", reason=message)
        raise PreviewUnavailable(message)

    def _order(self) -> list[str]:
        leader, now = self._leader(), time.monotonic()
        recent = {each for each, at in self._down.copy().items() if now - at < _DOWN_SECONDS}
        return sorted(self._agents, key=lambda each: (each in recent, each != leader))

    def _answer(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> requests.Response:
        try:
            answer = self._session.request(
                method,
                url,
                headers={**headers, "Accept-Encoding": "identity"},
                data=body,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            )
        except requests.Timeout:
            raise PreviewUnavailable("it did not answer in time") from None
        except requests.RequestException:
            raise PreviewUnavailable("it can't be reached") from None
        reason = _why_not(answer)
        if reason is not None:
            answer.close()
            raise PreviewUnavailable(reason)
        return answer

    def _passed(self, answer: requests.Response) -> Passed:
        kept = {
            name: value
            for name, value in answer.headers.items()
            if name.lower() in _PASSED or name.lower().startswith(_PASSED_PREFIX)
        }
        done = threading.Lock()

        def close() -> None:
            if done.acquire(blocking=False):
                answer.close()
                self._free.release()

        return Passed(answer.status_code, kept, _pieces(answer), close)


def _pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body, as it comes. A `requests.RequestException` or a short body ends the connection."""
    left, until = MAX_BYTES, time.monotonic() + TOTAL_SECONDS
    for piece in answer.raw.stream(_PIECE_BYTES, decode_content=False):
        left -= len(piece)
        if left < 0 or time.monotonic() > until:
            raise PreviewUnavailable("the agent's answer is too large, or takes too long")
        yield piece


def _why_not(answer: requests.Response) -> str | None:
    """Why an answer is not passed on, if so."""
    if AGENT_HEADER not in answer.headers:
        return "it has no previews: set preview.key"
    if answer.status_code == 401:
        return "it does not accept this service's tokens: use the same preview.key, and check both clocks"
    if answer.status_code != 304 and not (answer.status_code == 200 or answer.status_code >= 400):
        return f"it answered {answer.status_code}"
    size = answer.headers.get("Content-Length", "")
    if answer.status_code != 304 and (not size.isdecimal() or int(size) > MAX_BYTES):
        return "its answer is too large"
    return None
