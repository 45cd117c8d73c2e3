"""The process of a job, from the fork to its end."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import NoReturn

from agent.cutting.process.context import Context
from agent.cutting.process.interruption import Interruption
from agent.cutting.process.limits import first_to_go, out_of_memory, own_memory_limit
from agent.cutting.process.protocol import Done, Failed, Interrupt, Run, WindDown, receive, send
from clipping.errors import ClippingError, EncoderFailed


class JobCrashed(Exception):
    """The job raised an unexpected exception: a bug. The text is its traceback."""


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
        context = Context(channel)
        watch = (channel, context.interruption)
        threading.Thread(target=_watch_daemon, args=watch, name="daemon-watch", daemon=True).start()
        code = _work(context, run, descriptors)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _work(context: Context, run: Run, descriptors: Sequence[int]) -> int:
    channel = context.channel
    try:
        value = resolve_name(run.function)(context, *descriptors, *run.arguments)
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


def _watch_daemon(channel: socket.socket, interruption: Interruption) -> None:
    """Pass on an interruption. When the daemon is gone, kill this process and its ffmpeg."""
    try:
        while isinstance(message := receive(channel), Interrupt | WindDown):
            if isinstance(message, WindDown):
                interruption.wind_down(message.until)
            else:
                interruption.set(message.reason)
    finally:
        os.killpg(0, signal.SIGKILL)
