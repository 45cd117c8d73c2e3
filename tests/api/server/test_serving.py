"""The process: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import yaml
from flask import Flask, request

from api.server import serving
from clipping.http import channel
from clipping.store.local import LocalStore
from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.support.waiting import eventually


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
        check=False,
    )


def raw(api: ApiProcess, request: bytes) -> bytes:
    """What comes back until the server closes."""
    where = urlsplit(api.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_a_bad_configuration_ends_the_start_with_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("api: {port: high, colour: red}\nlimits: {max_clip_seconds: -1}\n")
    done = run("serve", "--config", str(file))
    assert done.returncode == 78
    for problem in ("api.port", "api.colour", "limits.max_clip_seconds"):
        assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_a_password_in_a_bad_url_is_not_printed(tmp_path: Path) -> None:
    done = run("serve", CLIPPING_API__DATABASE_URL="nodb://user:hunter2@host/db")
    assert done.returncode == 78
    assert "api.database_url" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_port_that_is_taken_is_an_error_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        file, taken_port = tmp_path / "c.yaml", taken.getsockname()[1]
        tree = {
            "api": {"port": taken_port, "database_url": f"sqlite:///{tmp_path}/c.db"},
            "storage": {"path": str(tmp_path / "store")},
        }
        file.write_text(yaml.safe_dump(tree))
        done = run("serve", "--config", str(file))
    assert done.returncode == 1
    assert f"CANNOT_LISTEN: can't listen on 127.0.0.1 port {taken_port}" in done.stderr
    assert f"in use by process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_many_signals_stop_it_once(tmp_path: Path) -> None:
    starting = Starting(tmp_path, 0)
    starting.says("api.ready")
    while starting.process.poll() is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            starting.process.send_signal(number)
    starting.close()
    # The interpreter's own end, after ours, can be cut short.
    assert starting.process.returncode in (0, -signal.SIGINT, -signal.SIGTERM)
    assert "api.stopped" in starting.said()
    assert "Traceback" not in starting.said()


class Starting:
    """`clipping-api serve`, which has to wait for something; `says` waits for a word on its stderr."""

    def __init__(self, folder: Path, port: int) -> None:
        tree = {
            "api": {"port": port, "database_url": f"sqlite:///{folder}/c.db"},
            "storage": {"path": str(folder / "store")},
        }
        (folder / "c.yaml").write_text(yaml.safe_dump(tree))
        self._log = folder / "api.log"
        command = [sys.executable, "-m", "api.cli", "serve", "--json", "--config", str(folder / "c.yaml")]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)

    def said(self) -> str:
        return self._log.read_text()

    def says(self, words: str) -> None:
        eventually(lambda: words in self.said(), words, logs=self.said)

    def close(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.close()

    def end(self) -> None:
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline())["pid"] == self.process.pid, self.said()
        self.process.terminate()
        assert self.process.wait(60) == 0
        assert self.said().count("start.waiting") == 1
        assert "Traceback" not in self.said()
        self.close()


def test_a_start_waits_for_a_port_that_is_being_given_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        starting = Starting(tmp_path, taken.getsockname()[1])
        starting.says(f"in use by process {os.getpid()}")
    starting.end()


def test_a_start_waits_for_a_database_that_is_being_given_back(tmp_path: Path) -> None:
    assert run("migrate", CLIPPING_API__DATABASE_URL=f"sqlite:///{tmp_path}/c.db").returncode == 0
    with sqlite3.connect(tmp_path / "c.db") as connection:
        connection.execute("BEGIN IMMEDIATE")
        starting = Starting(tmp_path, 0)
        starting.says(f"c.db is in use by process {os.getpid()}")
    connection.close()
    starting.end()


@pytest.mark.slow
def test_a_database_in_use_is_an_error_that_names_the_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    assert run("migrate", CLIPPING_API__DATABASE_URL=url).returncode == 0
    with sqlite3.connect(tmp_path / "c.db") as connection:
        connection.execute("BEGIN IMMEDIATE")
        done = run("serve", CLIPPING_API__DATABASE_URL=url, CLIPPING_API__PORT="0")
    connection.close()
    assert done.returncode == 1
    assert f"STILL_IN_USE: the database {tmp_path}/c.db is in use by process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_makes_the_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/clips.db"
    for _ in range(2):
        assert run("migrate", CLIPPING_API__DATABASE_URL=url).returncode == 0
    assert (tmp_path / "clips.db").exists()


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = run("migrate", CLIPPING_API__DATABASE_URL=f"sqlite:///{tmp_path}/none/clips.db")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "unable to open database file" in done.stderr


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (b"nonsense\r\n\r\n", b"400", b"INVALID_REQUEST"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", b"400", b"INVALID_REQUEST"),
        (b"GET / HTTP/1.1\r\nX: ".ljust(40_000, b"x"), b"431", b"HEADERS_TOO_LARGE"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", b"501", b"NOT_IMPLEMENTED"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413", b"PAYLOAD_TOO_LARGE"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400", b"INVALID_REQUEST"),
    ],
)
def test_invalid_http_is_refused_with_the_error_schema(
    api: ApiProcess, request_: bytes, status: bytes, code: bytes
) -> None:
    answer = raw(api, request_)
    assert answer.split(b" ", 2)[1] == status
    assert b'{"error":{"code":"' + code in answer
    assert api.get("/health").status_code == 200
    for header in (
        b"x-request-id: ",
        b"content-security-policy: default-src 'none'",
        b"cache-control: no-store",
    ):
        assert header in answer.lower()


def test_sigterm_finishes_the_answers_under_way(make_api: MakeApi) -> None:
    api = make_api()
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = api.session.headers["Authorization"]
            while not stop.is_set():
                body = {
                    "hand_id": "h",
                    "nas_video_path": f"{api.root}/a.mp4",
                    "start_seconds": 0,
                    "end_seconds": 1,
                }
                try:
                    answer = session.post(f"{api.url}/v1/clip/request", json=body, timeout=30)
                except requests.ConnectionError:
                    return  # refused, or closed between two requests: nothing was asked
                answers.append(answer.status_code)

    threads = [threading.Thread(target=ask, name=f"asker-{n}") for n in range(4)]
    for thread in threads:
        thread.start()
    while len(answers) < 20:
        time.sleep(0.05)
    began = time.monotonic()
    assert api.stop() == 0
    took = time.monotonic() - began
    stop.set()
    for thread in threads:
        thread.join(30)
    assert set(answers) == {202}
    assert took < 20
    # Nothing was taken that was not answered, but for what a closing connection may have swallowed.
    assert 0 <= api.counts()["requests"] - len(answers) <= 4


def test_sigterm_lets_a_download_finish(make_api: MakeApi) -> None:
    api = make_api()
    content = os.urandom(32 << 20)
    source = api.folder / "clip.mp4"
    source.write_bytes(content)
    store = LocalStore(Path(str(api.config.storage.path)), public_url=api.url)
    store.create("clips/h/c.mp4", source, content_type="video/mp4", metadata={})
    with requests.get(
        store.sign("clips/h/c.mp4", filename="c.mp4", seconds=60).url, stream=True, timeout=30
    ) as answer:
        digest = hashlib.sha256(answer.raw.read(1000))
        os.kill(api.pid, signal.SIGTERM)
        while part := answer.raw.read(1 << 20):
            digest.update(part)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert api.wait() == 0


def test_an_idle_connection_does_not_hold_up_the_stop(make_api: MakeApi) -> None:
    api = make_api()
    where = urlsplit(api.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        began = time.monotonic()
        assert api.stop() == 0
        assert time.monotonic() - began < 15


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize("early", [b"", HEAD])
def test_what_has_just_begun_is_answered_during_a_stop(early: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients connect first, and then send the header and the body one after another."""
    monkeypatch.setattr(channel, "ARRIVAL_SECONDS", 30.0)  # on a busy machine the client may be late
    monkeypatch.setattr(serving, "DRAIN_SECONDS", 30.0)
    app = Flask("app")
    app.add_url_rule("/", "root", lambda: request.get_data(), methods=["POST"])
    bound = serving.bind("127.0.0.1", 0)
    server = serving.Server(app, bound, threads=1)
    own, where = server._server, bound.getsockname()
    thread = threading.Thread(target=server.run)
    thread.start()
    with socket.create_connection(where, timeout=30) as connection:
        connection.sendall(early)
        begun = [early != b""]
        eventually(
            lambda: [each.request is not None for each in [*own.active_channels.values()]] == begun,
            "the connection, and what was sent",
        )
        server.stop()
        eventually(lambda: not own.accepting, "the stop")
        connection.sendall((HEAD + b"hi").removeprefix(early))
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    thread.join(30)
    assert not thread.is_alive()
