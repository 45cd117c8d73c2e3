"""The ffmpeg command: finds, queries and runs it, and interprets how it ended."""

from __future__ import annotations

import errno
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO

from agent.cutting.encode.ffmpeg_errors import failure, fatal
from agent.cutting.encode.progress import Climb
from agent.cutting.process.budget import MOST_BYTES, nothing_found
from agent.cutting.process.limits import first_to_go, limit
from agent.cutting.process.stall import usage
from agent.cutting.reading.source import SourceFile, url
from clipping.errors import EncoderFailed, EngineUnavailable

OLDEST = (5, 1)
"""`-fps_mode`, which encodes need, came with it."""
_RELEASE = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")
_COMMAND_AT_FAULT = frozenset({errno.E2BIG, errno.ENAMETOOLONG, errno.EINVAL})
"""With these, every attempt at the same clip fails; others pass or need an operator."""
_KEPT_LINES = 20
_QUERY_SECONDS = 30
_CANCEL_SECONDS = 0.1
"""Between two checks whether a short run is to be ended."""
_ENVIRONMENT = {"LIBVA_MESSAGING_LEVEL": "1"}
"""Only errors: libva prints where it looks for drivers, which would count as errors of the run."""
_LOOK_SECONDS = 0.5
"""Between two checks of a run that prints nothing."""


@dataclass(frozen=True)
class Limits:
    """Limits of a run. The caller limits the time."""

    file_bytes: int
    """The largest file that it may write."""
    memory_bytes: int | None
    """Its own data in memory; None where that is unknown beforehand."""
    idle_bytes: int = MOST_BYTES
    """What it may read without getting any further."""


@dataclass(frozen=True)
class Answer:
    """How a short run ended."""

    code: int
    stdout: str
    stderr: str


def find_ffmpeg(configured: Path | None) -> Path:
    """The ffmpeg to run: the configured one, else the one on PATH, else the imageio-ffmpeg package's.

    One on PATH that is older than 5.1 is skipped. Raises `EngineUnavailable` when there is none, or the
    configured one can't be run.
    """
    if configured is not None:
        if not (configured.is_file() and os.access(configured, os.X_OK)):
            raise EngineUnavailable(f"agent.ffmpeg: {configured} can't be run: correct or remove it")
        return configured
    on_path = shutil.which("ffmpeg")
    if on_path and _recent(on_path, Path(on_path).stat().st_mtime_ns):
        return Path(on_path)
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        problem = f"{on_path} is older than 5.1" if on_path else "no ffmpeg was found"
        raise EngineUnavailable(
            f"{problem}: install ffmpeg 5.1 or later, or the package imageio-ffmpeg, or set agent.ffmpeg"
        ) from None


@lru_cache(maxsize=8)
def _recent(program: str, modified_ns: int) -> bool:
    """Whether it is version 5.1 or later; asked again when the file has changed (`modified_ns`).

    Raises `EngineUnavailable` and `EncoderFailed` when it can't be asked.
    """
    return recent(ask([program, "-version"]).stdout)


def recent(version_output: str) -> bool:
    """Whether `ffmpeg -version` printed 5.1 or later. Development builds print a date or a commit, and count.

    The installers decide by the same rule (`deploy/systemd/installer/ffmpeg.py`).
    """
    release = _RELEASE.match(version_output)
    return release is None or (int(release[1]), int(release[2])) >= OLDEST


def ask(
    command: Sequence[str | Path],
    timeout: float = _QUERY_SECONDS,
    cancelled: threading.Event | None = None,
) -> Answer:
    """Run something short.

    Raises as `run` when it can't be started, and `EncoderFailed` when it takes longer than `timeout` s, or is
    ended because `cancelled` is set.
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, **_ENVIRONMENT},
        )
    except OSError as error:
        raise _not_started(command, error) from error
    give_up = time.monotonic() + timeout
    with process:
        try:
            while True:
                try:
                    stdout, stderr = process.communicate(timeout=_CANCEL_SECONDS)
                    return Answer(process.returncode, stdout, stderr)
                except subprocess.TimeoutExpired:
                    if cancelled is not None and cancelled.is_set():
                        raise EncoderFailed(f"{command[0]} was ended: this process stops") from None
                    if time.monotonic() >= give_up:
                        raise EncoderFailed(f"{command[0]} timed out after {timeout:g} s") from None
        finally:
            process.kill()


def _not_started(command: Sequence[str | Path], error: OSError) -> EncoderFailed:
    """What it means that a program can't be started: its command is at fault, or this machine is."""
    text = f"{command[0]} can't be run: {error.strerror}"
    return EncoderFailed(text) if error.errno in _COMMAND_AT_FAULT else EngineUnavailable(text)


@lru_cache(maxsize=8)
def filters(program: Path) -> frozenset[str]:
    """The filters this ffmpeg has. Raises `EncoderFailed` when it can't be asked."""
    answer = ask([program, "-hide_banner", "-filters"])
    if answer.code != 0:
        raise EncoderFailed(f"{program} does not list its filters: is it ffmpeg?")
    lines = (line.split() for line in answer.stdout.splitlines())
    return frozenset(words[1] for words in lines if len(words) >= 3 and "->" in words[2])


def run(
    command: Sequence[str],
    *,
    source: SourceFile | None = None,
    seconds: float,
    limits: Limits,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> bool:
    """Run ffmpeg to its end. Returns whether it reported errors on the way.

    `progress` gets 0 to 1 of `seconds` of output, at least once a second as long as ffmpeg moves at all, and
    never while it is stalled; `started` its process id, and None at the end. Raises as `Running`.
    """
    try:
        with Running(command, source=source, limits=limits) as running:
            started(running.pid)
            running.follow(seconds, progress)
            reported = running.result()
    finally:
        started(None)
    progress(1.0)
    return reported


class Running:
    """ffmpeg while it runs, in the caller's process group. It inherits the descriptor of `source`.

    A context manager: it does not run longer than that. Raises `EngineUnavailable` when this machine can't
    start it, `EncoderFailed` when it can't be started with this command, and as `ffmpeg_errors.failure` with
    the last line of its output; a note holds the last 20.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        source: SourceFile | None,
        limits: Limits,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=() if source is None else (source.descriptor,),
                env={**os.environ, **_ENVIRONMENT},
            )
        except OSError as error:
            raise _not_started(command, error) from error
        self._limits = limits
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._hopeless = threading.Event()
        self._own_limit = _limit(self._process.pid, limits)
        self._listener = threading.Thread(
            target=_listen,
            args=(self._process.stderr, self._lines, source, limits, self._hopeless),
            name="ffmpeg-stderr",
        )
        self._listener.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def hopeless(self) -> bool:
        """Whether it has reported an error after which no usable file can come."""
        return self._hopeless.is_set()

    @property
    def stdout(self) -> IO[bytes]:
        """What it prints or writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stdin(self) -> IO[bytes]:
        """What it reads."""
        assert self._process.stdin is not None
        return self._process.stdin

    def follow(
        self, seconds: float, progress: Callable[[float], None], *, reader: Running | None = None
    ) -> None:
        """Pass on how far it is, as `run`, until it closes its output, or is found to be hopeless.

        `reader`: what reads the recording, where it is another process. Raises `SourceCorrupt` when that has
        read more than it may without getting any further.
        """
        reader = reader or self
        _follow(
            reader.pid,
            self.pid,
            self.stdout,
            Climb(seconds),
            reader._limits,
            progress,
            lambda: self.hopeless or reader.hopeless,
        )

    def result(self) -> bool:
        """Wait for its end. Returns whether it reported errors on the way, such as damaged data that it
        decoded as well as it could."""
        if self.hopeless:
            self._process.kill()
        code = self._process.wait()
        self._listener.join()
        if code == -signal.SIGXFSZ and self._own_limit:
            raise EncoderFailed(f"ffmpeg wrote more than {self._limits.file_bytes} bytes and was ended")
        if code != 0 or self.hopeless:
            failed = failure(code, list(self._lines), self._limits.memory_bytes)
            failed.add_note("\n".join(self._lines))
            raise failed
        return bool(self._lines)

    def ends(self, timeout: float) -> bool:
        """Whether it has ended, or ends within `timeout` seconds."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def end(self) -> bool:
        """End it, whatever it does; whether it reported errors until then."""
        self._process.kill()
        self._process.wait()
        self._listener.join()
        return bool(self._lines)

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


def _limit(pid: int, limits: Limits) -> bool:
    """Set the limits; whether that of the file's size is ours, not a lower one that was there before."""
    before, _ = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    lower = before != resource.RLIM_INFINITY and before <= limits.file_bytes
    if not lower:
        limit(pid, resource.RLIMIT_FSIZE, limits.file_bytes)
    limit(pid, resource.RLIMIT_DATA, limits.memory_bytes)
    first_to_go(pid)
    return not lower


def _follow(
    reader: int,
    encoder: int,
    stdout: IO[bytes],
    climb: Climb,
    limits: Limits,
    progress: Callable[[float], None],
    hopeless: Callable[[], bool],
) -> None:
    rest = b""
    reported, used = time.monotonic(), usage(reader)
    begun, work = used, _work(reader, encoder)
    while not hopeless():
        news = False
        if select.select([stdout], [], [], _LOOK_SECONDS)[0]:
            data = os.read(stdout.fileno(), 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                news = climb.read(line.decode(errors="replace")) or news
        now = time.monotonic()
        if news:
            begun = None
        if not news and now - reported >= _LOOK_SECONDS:
            # ffmpeg repeats the same progress while it waits, and prints nothing while it moves an index.
            # An encoder may look ahead for long after the last frame was read.
            before, used, work = work, usage(reader), _work(reader, encoder)
            news = before != work
            if news:
                climb.creep()
            begun = begun or used
            if used is not None and begun is not None and used.read - begun.read > limits.idle_bytes:
                raise nothing_found(limits.idle_bytes)
        if news:
            reported = now
            progress(climb.share)


def _work(*pids: int) -> list[object]:
    """What processes do; unchanged where they are stalled."""
    return [used and used.helper_work for used in map(usage, pids)]


def _listen(
    stderr: IO[bytes],
    lines: deque[str],
    source: SourceFile | None,
    limits: Limits,
    hopeless: threading.Event,
) -> None:
    for line in stderr:
        text = line.decode(errors="replace").rstrip()
        if hopeless.is_set():
            continue  # the line that says why must not be pushed out
        if source is not None:
            text = text.replace(url(source.path), str(source.name))
        lines.append(text)
        why = fatal(text)
        if why == "pixels" or (why == "memory" and limits.memory_bytes is not None):
            hopeless.set()
