"""A job's own process, from the fork to its end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import NoReturn

from agent.cutting.process.limits import first_to_go, out_of_memory, own_memory_limit
from agent.cutting.process.protocol import Done, Failed, Run, receive, send
from clipping.errors import ClippingError, EncoderFailed


class JobCrashed(Exception):
    """The job raised something that is no error of ours: a bug. The text is its traceback."""


def become(channel: socket.socket, run: Run, descriptors: Sequence[int]) -> NoReturn:
    """Turn a freshly forked process into the job's: its own group, tied to the daemon's life."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.setpgid(0, 0)
        except PermissionError:
            pass  # the server was first
        first_to_go(os.getpid())
        threading.Thread(target=_die_with_daemon, args=(channel,), name="daemon-watch", daemon=True).start()
        code = _work(channel, run, descriptors)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(channel: socket.socket, run: Run, descriptors: Sequence[int]) -> int:
    try:
        value = run.function(channel, *descriptors, *run.arguments)
    except ClippingError as error:
        send(channel, Failed(error))
        return 1
    except MemoryError:
        send(channel, Failed(EncoderFailed(out_of_memory("the cut", own_memory_limit()))))
        return 1
    except Exception:  # noqa: BLE001 - the process's root: the daemon decides what a bug means
        send(channel, Failed(JobCrashed(traceback.format_exc())))
        return 1
    send(channel, Done(value))
    return 0


def _die_with_daemon(channel: socket.socket) -> None:
    """The daemon never writes here: whatever comes, even nothing, is the end, for our ffmpeg too."""
    receive(channel)
    os.killpg(0, signal.SIGKILL)
