"""What the API makes of agents that do not answer, or answer what they should not."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from urllib3.exceptions import ProtocolError

from api.preview.agents import MAX_BYTES, PreviewAgents
from clipping.errors import Overloaded, PreviewUnavailable
from embedded.layout import free_port
from tests.api.owned import service

PATH = "/preview/v1/recordings"


@contextmanager
def agent(
    status: int = 200, body: bytes = b"{}", *, name: str | None = "nas-1", **headers: str
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers so, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            given = {key.replace("_", "-"): value for key, value in headers.items()}
            for key, value in ({"Content-Length": str(len(body)), "Preview-Agent": name} | given).items():
                if value is not None:
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def call(agents: dict[str, str], leader: str | None = None) -> bytes:
    passing = PreviewAgents(agents, lambda: leader, calls=1)
    try:
        answer = passing.call("GET", PATH, "", {})
        try:
            return b"".join(answer.body)
        finally:
            answer.close()
    finally:
        passing.close()


def test_the_leader_is_asked_first() -> None:
    with agent(body=b"one") as (one, first), agent(body=b"two") as (two, second):
        assert call({"nas-1": one, "nas-2": two}, leader="nas-2") == b"two"
        assert (first, second) == ([], [PATH])
        assert call({"nas-1": one, "nas-2": two}, leader="nas-3") in (b"one", b"two")


def test_another_one_answers_for_a_leader_that_is_down() -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with agent(body=b"two") as (two, asked):
        passing = PreviewAgents({"nas-1": dead, "nas-2": two}, lambda: "nas-1", calls=1)
        for _ in range(2):
            answer = passing.call("GET", PATH, "", {})
            assert b"".join(answer.body) == b"two"
            answer.close()
        assert len(asked) == 2
        passing.close()


def test_no_agent_answers() -> None:
    with pytest.raises(PreviewUnavailable, match=r"nas-1: it can't be reached"):
        call({"nas-1": f"http://127.0.0.1:{free_port()}"})
    with pytest.raises(PreviewUnavailable, match=r"preview\.agents"):
        call({})


def test_what_is_not_passed_on() -> None:
    with agent(302, Location="http://127.0.0.1:1/") as (url, asked):
        with pytest.raises(PreviewUnavailable, match="it answered 302"):
            call({"nas-1": url})
        assert asked == [PATH]
    with agent(401) as (url, _), pytest.raises(PreviewUnavailable, match=r"the same preview\.key"):
        call({"nas-1": url})
    with agent(name=None) as (url, _), pytest.raises(PreviewUnavailable, match="has no previews"):
        call({"nas-1": url})
    large = str(MAX_BYTES + 1)
    with agent(Content_Length=large) as (url, _), pytest.raises(PreviewUnavailable, match="too large"):
        call({"nas-1": url})


def test_only_some_headers_are_passed_on() -> None:
    with agent(Set_Cookie="a=b", Preview_Start="1", X_Other="2", ETag='"e"') as (url, _):
        passing = PreviewAgents({"nas-1": url}, lambda: None, calls=1)
        answer = passing.call("GET", PATH, "", {})
        answer.close()
        passing.close()
    assert set(answer.headers) == {"Content-Length", "Preview-Agent", "Preview-Start", "ETag"}


def test_calls_in_progress_are_bounded() -> None:
    with agent() as (url, _):
        passing = PreviewAgents({"nas-1": url}, lambda: None, calls=1)
        first = passing.call("GET", PATH, "", {})
        with pytest.raises(Overloaded):
            passing.call("GET", PATH, "", {})
        first.close()
        first.close()
        passing.call("GET", PATH, "", {}).close()
        passing.close()


def test_a_call_that_was_answered_is_no_longer_in_progress(tmp_path: Path) -> None:
    """By the routes, whatever the answer."""
    (tmp_path / "key").write_text("a-secret-of-the-API-and-the-agents")
    for status, method in ((200, "GET"), (304, "HEAD")):
        with agent(status) as (url, asked):
            preview = {"key": str(tmp_path / "key"), "agents": {"nas-1": url}}
            with service(tmp_path, {}, over={"preview": preview, "api": {"threads": 2}}) as at:
                for number in range(1, 4):
                    answer = at.call("ada", method, PATH)
                    assert (answer.status_code, len(asked)) == (status, number), answer.text


def test_a_body_that_ends_early_is_no_whole_answer() -> None:
    with agent(body=b"half", Content_Length="100") as (url, _), pytest.raises(ProtocolError):
        call({"nas-1": url})
