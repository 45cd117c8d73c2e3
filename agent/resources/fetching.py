"""A file of which only parts are there: those of an object in a bucket that were asked for.

Each part lies where it lies in the object, so that whatever reads the file finds it there; the rest is a hole
that takes no room. Parts are fetched several at once, in threads that a caller never waits for: it can be
interrupted while the store does not answer.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from agent.cutting.formats.spans import Span, Spans, joined, length, pieces, without
from agent.metrics import SOURCE_BYTES
from clipping.errors import NoSpace
from clipping.store.ranges import ObjectReader, ObjectState, Passing

PART_BYTES = 8 << 20
AT_ONCE = 8
"""Parts. One connection to a store gives a part of what the network could."""
LOOK_SECONDS = 0.2

T = TypeVar("T")


class SparseFile:
    """The file. One thread uses it; close it to stop what is being fetched."""

    def __init__(
        self,
        path: Path,
        reader: ObjectReader,
        state: ObjectState,
        *,
        alive: Callable[[], None],
        min_free_bytes: int,
    ) -> None:
        """`alive` is called several times a second while parts are fetched, and may raise. `min_free_bytes`
        stay free on the disk. Raises `NoSpace`."""
        self.path = path
        self.present: Spans = ()
        self.read_bytes = 0
        """How many were fetched."""
        self._reader, self._state = reader, state
        self._alive, self._min_free_bytes = alive, min_free_bytes
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _full(path, error) from error
        try:
            os.truncate(self._file, state.size)
        except OSError as error:
            self.close()
            raise _full(path, error) from error

    def close(self) -> None:
        """Remove it."""
        os.close(self._file)
        self.path.unlink(missing_ok=True)

    @property
    def whole(self) -> bool:
        """Whether all of the object is there."""
        return not without([(0, self._state.size)], self.present)

    def put(self, begin: int, data: bytes) -> None:
        """Add a part that is known already. Raises `NoSpace`."""
        _write(self._file, self.path, begin, data)
        self.present = joined([*self.present, (begin, begin + len(data))])

    def get(self, begin: int, end: int) -> bytes:
        """What is there."""
        return os.pread(self._file, end - begin, begin)

    def fetch(self, spans: Iterable[Span]) -> None:
        """Have these parts of the object in the file. Raises `NoSpace`, as `ObjectReader`, and as `alive`."""
        missing = without(spans, self.present)
        if not missing:
            return
        self._check_room(length(missing))
        crew = _Crew(self._fetch_part, pieces(missing, PART_BYTES))
        try:
            crew.start(AT_ONCE)
            while not crew.wait(LOOK_SECONDS):
                self._alive()
                self._check_room(0)
        finally:
            crew.stop()
        self.present = joined([*self.present, *missing])

    def _fetch_part(self, part: Span, stopped: Callable[[], bool]) -> None:
        # A file of the thread's own: it may still read when the other one is closed.
        file = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            at = part[0]
            for piece in self._reader.read(*part, self._state):
                if stopped():
                    return
                _write(file, self.path, at, piece)
                at += len(piece)
                SOURCE_BYTES.inc(len(piece))
        finally:
            os.close(file)
        self.read_bytes += part[1] - part[0]

    def _check_room(self, more: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free - more < self._min_free_bytes:
            raise NoSpace(
                f"{self._reader.uri} does not fit: {more // 1_000_000} MB are to be fetched, and "
                f"{free // 1_000_000} MB are free in {self.path.parent.parent}; agent.min_free_bytes is "
                f"{self._min_free_bytes // 1_000_000} MB: make room on that disk"
            )


def awaited(call: Callable[[], T], alive: Callable[[], None]) -> T:
    """What `call` returns or raises, in another thread. Raises as `alive`, at once."""
    results: list[T] = []
    crew = _Crew(lambda _, __: results.append(call()), iter([None]))
    crew.start(1)
    while not crew.wait(LOOK_SECONDS):
        alive()
    return results[0]


class _Crew(Generic[T]):
    """Threads that do tasks until there are no more, or one has failed."""

    def __init__(self, do: Callable[[T, Callable[[], bool]], None], tasks: Iterator[T]) -> None:
        """`do` gets a task and whether to stop."""
        self._do, self._tasks = do, tasks
        self._changed = threading.Condition()
        self._running = 0
        self._stopped = False
        self._failure: BaseException | None = None

    def start(self, count: int) -> None:
        """Begin, in `count` threads. They are daemons, as one may hang for as long as the store does."""
        tasks = self._next(count)
        self._running = len(tasks)
        for task in tasks:
            threading.Thread(target=self._run, args=(task,), name="source-part", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether all tasks are done, after `seconds` at most. Raises what a task raised."""
        with self._changed:
            self._changed.wait_for(lambda: not self._running or self._failure is not None, seconds)
            if self._failure is not None:
                raise self._failure
            return not self._running

    def stop(self) -> None:
        """Begin no more tasks."""
        self._stopped = True

    def _next(self, most: int = 1) -> list[T]:
        with self._changed:
            return [task for _, task in zip(range(most), self._tasks, strict=False)]

    def _run(self, task: T) -> None:
        try:
            following = [task]
            while following and not self._stopped:
                self._do(following[0], lambda: self._stopped)
                following = self._next()
        except BaseException as error:  # noqa: BLE001 - the thread's root: raised again by `wait`
            self._failed(error)
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _failed(self, error: BaseException) -> None:
        with self._changed:
            self._stopped = True
            if self._failure is None:
                self._failure = error.failure if isinstance(error, Passing) else error


def _write(file: int, path: Path, at: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(file, view, at)
            at, view = at + written, view[written:]
    except OSError as error:
        raise _full(path, error) from error


def _full(path: Path, error: OSError) -> NoSpace:
    return NoSpace(f"the spool {path.parent} can't be written: {error.strerror}")
