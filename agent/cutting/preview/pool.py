"""The workers of all recordings: started on demand, reused, replaced, and ended when they don't answer."""

from __future__ import annotations

import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from agent.cutting.formats.media import Identity
from agent.cutting.preview.channel import Answer, Call, receive, send
from agent.cutting.preview.models import PreviewSettings
from agent.cutting.process.child import JobCrashed
from agent.cutting.process.client import ForkServer, Job
from agent.cutting.process.protocol import Exited
from agent.cutting.process.stall import usage
from agent.cutting.reading.source import SourceFile
from clipping.errors import EncoderFailed, Overloaded, ProcessDied, SourceUnavailable, TimeLimit
from clipping.log import get_logger

log = get_logger(__name__)

WORKER = "agent.cutting.preview.worker:serve"
_BUSY_SHARE = 0.1
"""A process that was ended used less of its time than this: it waited for the NAS."""
_RETRY_SECONDS = 1
_GONE_SECONDS = 0.1


class Gone(Exception):
    """A worker ended before it answered."""


@dataclass(eq=False)
class Worker:
    """One process, and the recording that it has open."""

    identity: Identity
    job: Job
    channel: socket.socket
    calls: int = 0

    def call(self, call: Call, deadline: float) -> Answer:
        """Raises `Gone`, and `TimeoutError`."""
        self.calls += 1
        self.channel.settimeout(max(0.001, deadline - time.monotonic()))
        try:
            send(self.channel, call)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise Gone from error
        answer = receive(self.channel, deadline)
        if not isinstance(answer, Answer):
            raise Gone
        return answer

    @property
    def cpu(self) -> float:
        """Seconds that it has used."""
        for _ in self.job.messages(0):
            pass
        used = None if self.job.pid is None else usage(self.job.pid)
        return 0.0 if used is None else used.cpu

    def end(self) -> None:
        """Kill it, without waiting."""
        self.job.signal(signal.SIGKILL)
        with suppress(OSError):
            self.channel.close()

    def ended(self, timeout: float = 0) -> bool:
        """Whether the process is gone: one that hangs in the kernel is not."""
        gone = any(m is None or isinstance(m, Exited) for m in self.job.messages(timeout))
        if gone:
            self.job.close()
        return gone


class Pool:
    """Safe to use from many threads."""

    def __init__(self, server: ForkServer, settings: PreviewSettings) -> None:
        self._server = server
        self._settings = settings
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []
        self._ending: list[Worker] = []
        """Killed, and perhaps still there: they count as long as they are."""
        self._closed = False

    def call(self, source: SourceFile, call: Call) -> object:
        """The function's result. Raises what it raised, `Overloaded`, `ProcessDied`, `TimeLimit`,
        `SourceUnavailable` and `EngineUnavailable`."""
        deadline = time.monotonic() + self._settings.call_seconds
        while True:
            worker = self._taken(source, deadline)
            try:
                return _value(self._answer(worker, call, deadline))
            except Gone:
                # One that had answered before may have been idle for too long, or was killed.
                if worker.calls == 1:
                    raise ProcessDied("the preview's process ended without a result") from None

    def close(self) -> None:
        """End all workers."""
        with self._changed:
            self._closed = True
            everyone = self._idle + self._busy + self._ending
            self._idle, self._busy, self._ending = [], [], []
        for worker in everyone:
            worker.end()
            worker.job.close()

    def _answer(self, worker: Worker, call: Call, deadline: float) -> Answer:
        cpu, begun = worker.cpu, time.monotonic()
        alive = False
        try:
            answer = worker.call(call, deadline)
            alive = True
            return answer
        except TimeoutError:
            seconds = time.monotonic() - begun
            log.warning("preview.timed_out", call=call.name, seconds=round(seconds, 1), pid=worker.job.pid)
            if worker.cpu - cpu < seconds * _BUSY_SHARE:
                raise SourceUnavailable(
                    f"the recording could not be read for {seconds:.0f} s: is the NAS mounted?"
                ) from None
            raise TimeLimit(
                f"timed out: the preview took longer than {self._settings.call_seconds:g} s"
            ) from None
        finally:
            self._returned(worker, alive=alive)

    def _taken(self, source: SourceFile, deadline: float) -> Worker:
        """A worker for the recording, which no other call uses."""
        with self._changed:
            while True:
                if self._closed:
                    raise Overloaded("previews have been stopped", retry_after=_RETRY_SECONDS)
                worker = self._found(source)
                if worker is not None:
                    self._busy.append(worker)
                    return worker
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Overloaded(
                        f"all {self._settings.workers} preview processes are busy: retry later",
                        retry_after=_RETRY_SECONDS,
                    )
                # Of those that are being ended, the end is not notified.
                self._changed.wait(min(left, _GONE_SECONDS if self._ending else left))

    def _found(self, source: SourceFile) -> Worker | None:
        self._ending = [worker for worker in self._ending if not worker.ended()]
        own = [worker for worker in self._idle if worker.identity == source.identity]
        if own:
            self._idle.remove(own[-1])
            return own[-1]
        if self._count >= self._settings.workers and self._idle and not self._ending:
            self._end(self._idle.pop(0))  # the one that was used least recently
        return self._start(source) if self._count < self._settings.workers else None

    @property
    def _count(self) -> int:
        return len(self._idle) + len(self._busy) + len(self._ending)

    def _start(self, source: SourceFile) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            job = self._server.run(
                WORKER,
                source.name,
                source.identity,
                self._settings,
                descriptors=(source.descriptor, theirs.fileno()),
            )
        return Worker(source.identity, job, ours)

    def _returned(self, worker: Worker, *, alive: bool) -> None:
        with self._changed:
            if worker not in self._busy:
                return  # closed meanwhile
            self._busy.remove(worker)
            if alive:
                self._idle.append(worker)
            else:
                self._end(worker)
            self._changed.notify()

    def _end(self, worker: Worker) -> None:
        worker.end()
        if not worker.ended(_GONE_SECONDS):
            self._ending.append(worker)


def _value(answer: Answer) -> object:
    if isinstance(answer.error, JobCrashed):
        log.error("preview.crashed", traceback=str(answer.error))
        raise EncoderFailed("the preview failed because of a bug: see the agent's log")
    if answer.error is not None:
        raise answer.error
    return answer.value
