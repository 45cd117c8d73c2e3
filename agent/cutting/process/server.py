"""The fork server's own process: one thread, one socket to the daemon, one child for each job."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import selectors
import signal
import socket
from dataclasses import dataclass
from typing import NoReturn

from agent.cutting.process.child import become
from agent.cutting.process.protocol import (
    MAX_DESCRIPTORS,
    MAX_MESSAGE,
    Exited,
    Ready,
    Run,
    Signal,
    Started,
    send,
)


@dataclass
class _Child:
    job: int
    pid: int
    channel: socket.socket
    """Our copy of the child's end: to say how the child ended, when it can't any more."""


class Server:
    """Serves until the daemon's end of `control` closes; then kills every child and returns."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, _Child] = {}
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        """Run the loop."""
        # A terminal's Ctrl-C is for the daemon, which finishes the clips in flight first.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        gc.freeze()  # what is loaded stays shared with the children
        gc.enable()
        try:
            send(self._control, Ready())
        except OSError:
            return  # the daemon has died meanwhile
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        self._woken.recv(4096)
                        self._reap()
                    elif not self._command():
                        signal.set_wakeup_fd(-1)  # its socket goes before the last child does
                        self._kill_all()
                        return

    def _command(self) -> bool:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, MAX_DESCRIPTORS)
        except ConnectionResetError:  # the daemon has died, and has not read everything
            return False
        if not data:
            return False
        message = pickle.loads(data)
        if isinstance(message, Run):
            self._run(message, socket.socket(fileno=fds[0]), fds[1:])
        elif isinstance(message, Signal) and message.job in self._children:
            _signal(self._children[message.job].pid, message.number)
        return True

    def _run(self, run: Run, channel: socket.socket, descriptors: list[int]) -> None:
        pid = os.fork()
        if pid == 0:
            for end in (self._control, self._wake, self._woken):
                end.close()
            for other in self._children.values():
                other.channel.close()
            become(channel, run, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            os.setpgid(pid, pid)  # here and in the child, whichever is first
        except (PermissionError, ProcessLookupError):
            pass
        self._children[run.job] = _Child(run.job, pid, channel)
        _notify(channel, Started(pid))

    def _reap(self) -> None:
        for child in list(self._children.values()):
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # While the dead child is not reaped no other process can get its number: its ffmpeg goes with it.
            _signal(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
            del self._children[child.job]
            _notify(child.channel, Exited(os.waitstatus_to_exitcode(status)))
            child.channel.close()

    def _kill_all(self) -> None:
        for child in self._children.values():
            _signal(child.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass


def _notify(channel: socket.socket, message: object) -> None:
    try:
        # Not `setblocking`: that would change the child's end too, which is the same socket.
        send(channel, message, flags=socket.MSG_DONTWAIT)
    except OSError:
        pass  # the daemon has given up this job


def main(descriptor: int, preload: str) -> NoReturn:
    """Import the modules `preload`, separated by spaces, serve on an inherited socket, and exit."""
    # numpy would start threads for linear algebra, which no job needs, and which a fork does not have.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    gc.disable()  # until everything is loaded: it stays
    for module in preload.split():
        importlib.import_module(module)
    Server(socket.socket(fileno=descriptor)).serve()
    os._exit(0)  # the daemon waits: taking apart what was loaded takes as long as a tenth of loading it
