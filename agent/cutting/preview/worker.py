"""A worker's process: it has one recording open, and answers calls until none comes for a while."""

from __future__ import annotations

import os
import resource
import select
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from agent.cutting.formats.media import Identity
from agent.cutting.preview.channel import Answer, Call, receive, send
from agent.cutting.preview.describe import describe
from agent.cutting.preview.keyframes import keyframes
from agent.cutting.preview.media import Media
from agent.cutting.preview.models import PreviewSettings
from agent.cutting.preview.peaks import peaks
from agent.cutting.preview.proxy import proxy_window
from agent.cutting.preview.stills import still, strip
from agent.cutting.preview.window import window
from agent.cutting.process.child import JobCrashed
from agent.cutting.process.context import Context
from agent.cutting.process.limits import limit, out_of_memory, own_memory_limit
from agent.cutting.reading.source import SourceFile, limit_pixels
from clipping.errors import ClippingError, EncoderFailed

_NICENESS = 5
"""Lower priority than cuts that a caller waits for, and higher than encodes. That of the disk follows it."""
_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "describe": describe,
    "keyframes": keyframes,
    "window": window,
    "proxy_window": proxy_window,
    "still": still,
    "strip": strip,
    "peaks": peaks,
}


def serve(
    context: Context, descriptor: int, calls: int, name: Path, identity: Identity, settings: PreviewSettings
) -> None:
    """Answer calls, as a job. `calls`: the descriptor of their socket."""
    _name_process()
    os.setpriority(os.PRIO_PROCESS, 0, max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    limit(0, resource.RLIMIT_DATA, settings.memory_bytes)
    limit_pixels(settings.max_pixels)
    source = SourceFile(name, descriptor, identity)
    with socket.socket(fileno=calls) as channel, Media(source, settings) as media:
        while select.select([channel], [], [], settings.idle_seconds)[0]:
            call = receive(channel)
            if not isinstance(call, Call):
                return
            send(channel, _answer(media, call))


def _name_process() -> None:
    """Show operators which of the agent's processes are of previews: all are forks of one."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text("preview")


def _answer(media: Media, call: Call) -> Answer:
    try:
        media.begin(time.monotonic())
        return Answer(_FUNCTIONS[call.name](media, *call.arguments))
    except ClippingError as error:
        return Answer(error=error)
    except MemoryError:
        return Answer(error=EncoderFailed(out_of_memory("the preview", own_memory_limit())))
    except Exception:  # noqa: BLE001 - the process's root: the agent decides what a bug means
        return Answer(error=JobCrashed(traceback.format_exc()))
