"""Availability of the API and of the agent's health page under attack.

    python -m bench.http_attacks [--server api|health|both] [--seconds N] [--only NAME]

Each attack lasts `--seconds` and stays on the loopback interface. Meanwhile 20 sequential clients, each on a
new connection, request /health, and four post a clip request with a valid key. The table shows

- `health`: how many of 20 were answered within a second, and the slowest response;
- `POST`: how many of 4 were accepted within five seconds;
- `MB`: the server's resident memory before the attack and at its peak;
- `tmp`: the peak size of temporary files (in memory, if /tmp is a tmpfs);
- `CPU`: the server's CPU time during the attack, including these 24 requests.

Attackers that hold connections reconnect immediately when they are closed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.attackers import Floods, Held
from bench.load.usage import megabytes, processor_seconds, temporary_megabytes
from tests.api.api_process import CLIENT, ApiProcess
from tests.support.broker import BrokerProcess

HELD, STREAMS = 900, 500
HEALTH_CALLS, POSTS = 20, 4
HEALTH_SECONDS, POST_SECONDS = 1.0, 5.0
OPEN_FILES = 8192

Attack = AbstractContextManager[Callable[[], str]]
"""Yields a function that summarizes the attack's effect."""


@dataclass(frozen=True)
class Target:
    """A server under attack."""

    pid: int
    address: tuple[str, int]
    clip: bytes | None = None
    """A valid clip request; None for a server without clip requests."""
    request_id: str = ""
    caller: str = "127.0.0.1"
    """The source address of the /health requests."""

    def post(self, *headers: str, path: str = "/v1/clip/request", key: bool = True) -> bytes:
        """The request line and headers of a POST."""
        lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
        lines += [f"Authorization: Bearer {CLIENT}"] if key else []
        return "\r\n".join([*lines, "", ""]).encode()


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.http_attacks", description=__doc__.splitlines()[0])
    parser.add_argument("--server", choices=("api", "health", "both"), default="both")
    parser.add_argument("--seconds", type=float, default=15.0, metavar="N", help="duration of each attack")
    parser.add_argument("--only", metavar="NAME", help="attacks whose name contains this")
    options = parser.parse_args()
    servers = [
        each for each in (_api, _health_page) if options.server in (each.__name__[1:].split("_")[0], "both")
    ]
    for server in servers:
        _print_head(server.__name__[1:].replace("_", " "))
        for name, attack in ATTACKS.items():
            if options.only and options.only not in name:
                continue
            # A new server for each attack, so that attacks do not affect each other.
            with server() as target:
                if target.clip is not None or name not in API_ONLY:
                    print(_row(name, _measure(target, attack(target), options.seconds)), flush=True)
    return 0


@contextmanager
def _api() -> Iterator[Target]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-attacks-")))
        broker = stack.enter_context(BrokerProcess(folder / "broker"))
        api = ApiProcess(folder / "api", emulator=broker.host_port)
        stack.callback(api.close)
        # After the server's start: the server must raise its own limit.
        stack.enter_context(_open_files())
        answer = api.request()
        body = {
            "hand_id": "bench",
            "nas_video_path": f"{api.root}/a.mp4",
            "start_seconds": 1,
            "end_seconds": 2,
        }
        where = urlsplit(api.url)
        address = (str(where.hostname), int(where.port or 0))
        yield Target(api.pid, address, json.dumps(body).encode(), answer.json()["request_id"])


@contextmanager
def _health_page() -> Iterator[Target]:
    command = [sys.executable, "-m", "bench.load.health_page"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with _open_files():
            # Not the attackers' address: above ten requests a second, that address correctly gets 429.
            yield Target(process.pid, ("127.0.0.1", port), caller="127.0.0.2")
        process.terminate()


@contextmanager
def _open_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# The attacks.


@contextmanager
def _nothing(_: Target) -> Iterator[Callable[[], str]]:
    yield lambda: ""


@contextmanager
def _held(
    target: Target, opening: bytes = b"", drip: bytes = b"", count: int = HELD
) -> Iterator[Callable[[], str]]:
    with Held(target.address, count, opening, drip) as attack:
        attack.wait_until_open()
        yield lambda: f"{attack.open} open, {attack.closed} closed"


def _idle(target: Target) -> Attack:
    return _held(target)


def _slow_headers(target: Target) -> Attack:
    return _held(target, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x")


def _slow_bodies(target: Target) -> Attack:
    return _held(target, target.post("Content-Length: 900"), b" ")


@contextmanager
def _flood(
    target: Target, opening: bytes, block: bytes, *, count: int, size: int
) -> Iterator[Callable[[], str]]:
    with Floods(target.address, count, opening, block, size) as attack:
        yield lambda: f"{attack.sent / 1e6:.1f} MB accepted"


def _chunk_lines(target: Target) -> Attack:
    opening = target.post("Transfer-Encoding: chunked") + b"1;"
    return _flood(target, opening, b"a" * 65_536, count=16, size=4 << 20)


def _small_chunks(target: Target) -> Attack:
    opening = target.post("Transfer-Encoding: chunked")
    return _flood(target, opening, b"1\r\n \r\n" * 1024, count=16, size=1_000_000)


def _large_bodies(target: Target) -> Attack:
    opening = target.post("Content-Length: 16000000", key=False)
    return _flood(target, opening, b" " * 100_000, count=40, size=15_900_000)


def _unread_answers(target: Target) -> Attack:
    # As many requests as fit into one read of the server, with responses that are never read.
    path = b"/openapi.yaml" if target.clip is not None else b"/metrics"
    return _flood(target, b"", b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path, count=40, size=4 << 20)


@contextmanager
def _both_lengths(target: Target) -> Iterator[Callable[[], str]]:
    body = target.clip or b"{}"
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    head = target.post("Transfer-Encoding: chunked", f"Content-Length: {len(body)}")
    second = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    said = _exchange(target, head + chunked + second, HEALTH_SECONDS, whole=True)
    codes = re.findall(r"HTTP/1\.[01] (\d{3}) ", said.decode("latin-1"))
    yield lambda: "answered " + (", then ".join(codes) or "nothing")


@contextmanager
def _streams_beside_idle(target: Target) -> Iterator[Callable[[], str]]:
    lines = [
        f"GET /v1/clip/{target.request_id}/events HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {CLIENT}",
    ]
    opening = "\r\n".join([*lines, "", ""]).encode()
    # The server discards the drip, which only completes a request that was sent too early.
    with Held(target.address, STREAMS, opening, b"\n", reopen=False) as streams:
        streams.wait_until_open()
        time.sleep(2)
        with _held(target) as idle:
            before = streams.received
            yield (
                lambda: (
                    f"{streams.open} of {STREAMS} streams open, {streams.received - before:,} bytes in them; "
                    + idle()
                )
            )


ATTACKS: dict[str, Callable[[Target], Attack]] = {
    "none": _nothing,
    f"{HELD} idle": _idle,
    f"{HELD} slow headers": _slow_headers,
    f"{HELD} slow bodies, valid key": _slow_bodies,
    "16 endless chunk-size lines": _chunk_lines,
    "16 bodies in chunks of a byte": _small_chunks,
    "40 bodies of 16 MB, no key": _large_bodies,
    "40 that read no answers": _unread_answers,
    "both lengths (CL and TE)": _both_lengths,
    f"{STREAMS} streams, {HELD} idle": _streams_beside_idle,
}
API_ONLY = {name for name in ATTACKS if "streams" in name}


# Measurements during the attack.


@dataclass
class Figures:
    """The measurements of one attack."""

    health: list[float] = field(default_factory=list)
    """Latencies, in seconds, of the responses in time."""
    posts: int | None = None
    before: float = 0.0
    most: float = 0.0
    temporary: float = 0.0
    processor: float = 0.0
    outcome: str = ""


def _measure(target: Target, attack: Attack, seconds: float) -> Figures:
    figures = Figures(before=megabytes(target.pid))
    figures.most = figures.before
    begun, used = time.monotonic(), processor_seconds(target.pid)
    with attack as outcome, _watched(target, figures):
        calls = threading.Thread(target=_call, args=(target, figures, seconds), name="calls")
        calls.start()
        calls.join()
        time.sleep(max(0.0, begun + seconds - time.monotonic()))
        figures.outcome = outcome()
        figures.processor = processor_seconds(target.pid) - used
    return figures


@contextmanager
def _watched(target: Target, figures: Figures) -> Iterator[None]:
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.05):
            figures.most = max(figures.most, megabytes(target.pid))
            figures.temporary = max(figures.temporary, temporary_megabytes(target.pid))

    thread = threading.Thread(target=watch, name="usage")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _call(target: Target, figures: Figures, seconds: float) -> None:
    begun = time.monotonic()
    for number in range(HEALTH_CALLS):
        time.sleep(max(0.0, begun + seconds * number / HEALTH_CALLS - time.monotonic()))
        asked = time.monotonic()
        if _exchange(target, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", HEALTH_SECONDS).startswith(
            b"HTTP/1.1 200"
        ):
            figures.health.append(time.monotonic() - asked)
        if target.clip is not None and number % (HEALTH_CALLS // POSTS) == 1:
            head = target.post(f"Content-Length: {len(target.clip)}")
            accepted = _exchange(target, head + target.clip, POST_SECONDS).startswith(b"HTTP/1.1 202")
            figures.posts = (figures.posts or 0) + accepted


def _exchange(target: Target, sent: bytes, seconds: float, *, whole: bool = False) -> bytes:
    """The beginning of the response; with `whole`, everything until the server closes or sends nothing for
    `seconds`."""
    answer = b""
    with (
        contextlib.suppress(OSError),
        socket.create_connection(target.address, seconds, (target.caller, 0)) as connection,
    ):
        give_up = time.monotonic() + seconds
        connection.sendall(sent)
        while (left := give_up - time.monotonic()) > 0:
            connection.settimeout(left)
            part = connection.recv(65_536)
            answer += part
            if not part or not whole:
                break
    return answer


def _print_head(server: str) -> None:
    columns = [server, "health", "slowest", "POST", "MB", "tmp", "CPU", "attack"]
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")


def _row(name: str, figures: Figures) -> str:
    slowest = f"{max(figures.health) * 1000:.0f} ms" if figures.health else "–"
    posts = "–" if figures.posts is None else f"{figures.posts} of {POSTS}"
    memory = f"{figures.before:.0f} → {figures.most:.0f}"
    cells = [
        name,
        f"{len(figures.health)} of {HEALTH_CALLS}",
        slowest,
        posts,
        memory,
        f"{figures.temporary:.0f}",
        f"{figures.processor:.2f} s",
        figures.outcome,
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
