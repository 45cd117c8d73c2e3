"""The daemon's side of the fork server: start it, give it jobs, receive their messages."""

from __future__ import annotations

import itertools
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial

from agent.cutting.process.forked import Forked
from agent.cutting.process.interruption import Reason
from agent.cutting.process.limits import limit, memory_share
from agent.cutting.process.protocol import Interrupt, Ready, Run, Signal, Started, WindDown, receive, send
from agent.cutting.process.server import main
from clipping.errors import EngineUnavailable
from clipping.log import get_logger

log = get_logger(__name__)

JOBS = "agent.cutting.cut"
"""The module of the engine's jobs, which only their processes import: it loads everything that cuts."""
_START_SECONDS = 60
_STOP_SECONDS = 5
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[3]); "
    "from agent.cutting.process.server import main; main(int(sys.argv[1]), sys.argv[2])"
)


class Job:
    """One running job. Close it when done with it: a process that is still there is then killed."""

    def __init__(self, number: int, channel: socket.socket, server: ForkServer) -> None:
        self._number = number
        self._channel = channel
        self._server = server
        self.pid: int | None = None
        """None until it has started. A job that ends before that did nothing: the server died first."""

    def messages(self, timeout: float) -> Iterator[object]:
        """The job's messages, waiting at most `timeout` seconds for the first; None at the end."""
        while select.select([self._channel], [], [], timeout)[0]:
            message = receive(self._channel)
            if isinstance(message, Started):
                self.pid = message.pid
            else:
                yield message
                if message is None:
                    return
            timeout = 0

    def interrupt(self, reason: Reason) -> None:
        """Ask the job to stop. Does not wait for it."""
        self._send(Interrupt(reason))

    def wind_down(self, until: float | None) -> None:
        """Announce when the job is going to be given back; None: not at all."""
        self._send(WindDown(until))

    def _send(self, message: Interrupt | WindDown) -> None:
        try:
            send(self._channel, message, flags=socket.MSG_DONTWAIT)
        except OSError:
            pass  # it has ended already

    def signal(self, number: int) -> None:
        """Send a signal to the job's whole process group."""
        self._server.signal(self._number, number)

    def close(self) -> None:
        """Close the connection. A process that still runs ends at once."""
        self.signal(signal.SIGKILL)
        self._channel.close()


class ForkServer:
    """The server's process. Safe to use from many threads; started again when it is found dead."""

    def __init__(self, preload: str, memory: int | None = None) -> None:
        """`preload`: the modules of its jobs, separated by spaces. `memory`: the bytes that each job may use;
        None: no limit of ours."""
        self._preload = preload
        self._memory = memory
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._control: socket.socket | None = None
        self._loaded = False

    def launch(self, *, fork: bool = False) -> None:
        """Start it without waiting until it has loaded everything.

        `fork`: as a fork of this process where that is safe, which saves the start of an interpreter. For a
        command: what this process has loaded, the jobs have too.
        """
        with self._lock:
            if self._process is None:
                self._launch(fork=fork and threading.active_count() == 1)

    def start(self) -> None:
        """Start it and wait until it has loaded everything. Raises `EngineUnavailable`."""
        with self._lock:
            self._ensure()

    def run(self, function: str, *arguments: object, descriptors: tuple[int, ...] = ()) -> Job:
        """Start `function(context, *descriptors, *arguments)` in a separate process (`Context`). `function`
        is `module:name`.

        Closing a descriptor must never wait (O_PATH), since the server does it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            number = next(self._numbers)
            order = Run(number, function, arguments)
            try:
                send(self._ensure(), order, (theirs.fileno(), *descriptors))
            except (BrokenPipeError, ConnectionResetError):  # it has just died, and is not yet found dead
                self._discard()
                send(self._ensure(), order, (theirs.fileno(), *descriptors))
        return Job(number, ours, self)

    def signal(self, job: int, number: int) -> None:
        """Send a signal to a job's process group; nothing if it is gone."""
        with self._lock:
            if self._control is not None:
                try:
                    send(self._control, Signal(job, number))
                except OSError:
                    pass  # the server is dead, and its jobs lose their sockets with it

    def close(self) -> None:
        """End the server and every job."""
        with self._lock:
            self._discard()

    def _ensure(self) -> socket.socket:
        if self._process is not None and self._loaded and self._process.poll() is not None:
            log.error("cutting.server_died", code=self._process.returncode)
            self._discard()
        if self._process is None:
            self._launch()
        assert self._control is not None
        if not self._loaded:
            self._wait_until_loaded(self._control)
        return self._control

    def _launch(self, *, fork: bool = False) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if fork:
                serve = partial(main, theirs.fileno(), self._preload)
                self._process = Forked(serve, keep=theirs.fileno())
            else:
                self._process = self._started(theirs.fileno())
        if self._memory is not None:
            limit(self._process.pid, resource.RLIMIT_DATA, self._memory)  # the jobs inherit it
        self._control = ours

    def _started(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", _BOOT, str(descriptor), self._preload, json.dumps(sys.path)],
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            start_new_session=True,
            cwd=os.path.sep,
        )

    def _wait_until_loaded(self, control: socket.socket) -> None:
        control.settimeout(_START_SECONDS)
        try:
            ready = receive(control)
        except TimeoutError:
            ready = None
        control.settimeout(None)
        self._loaded = isinstance(ready, Ready)
        if not self._loaded:
            self._discard()
            raise EngineUnavailable("the cutting process could not be started: see the agent's log")

    def _discard(self) -> None:
        loaded, self._loaded = self._loaded, False
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            if not loaded:
                self._process.kill()  # it has no jobs, and notices the end of the connection only later
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def engine_server(slots: int = 1, more: Sequence[str] = ()) -> ForkServer:
    """The server for the engine's jobs, not started. `slots`: how many run at once; `more`: modules of
    further jobs, to be loaded at the start."""
    return ForkServer(preload=" ".join((JOBS, *more)), memory=memory_share(slots))
