"""ffmpeg as a command: finding it, running it, understanding how it ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO

from clipping.errors import EncoderFailed, NoSpace, SourceUnavailable

_KEPT_LINES = 20
_QUERY_SECONDS = 30


def find_ffmpeg(configured: Path | None) -> Path:
    """The ffmpeg to run: the configured one, else the one on PATH, else the imageio-ffmpeg package's.

    Raises `EncoderFailed` when there is none, or the configured one can't be run.
    """
    if configured is not None:
        if not (configured.is_file() and os.access(configured, os.X_OK)):
            raise EncoderFailed(f"agent.ffmpeg names {configured}, which can't be run: correct or remove it.")
        return configured
    on_path = shutil.which("ffmpeg")
    if on_path:
        return Path(on_path)
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise EncoderFailed(
            "There is no ffmpeg: install it, or the package imageio-ffmpeg, or name one in agent.ffmpeg."
        ) from None


@lru_cache(maxsize=8)
def filters(program: Path) -> frozenset[str]:
    """The filters this ffmpeg has. Raises `EncoderFailed` when it can't be asked."""
    try:
        answer = subprocess.run(
            [program, "-hide_banner", "-filters"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_QUERY_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EncoderFailed(f"{program} can't be run: {error}.") from error
    lines = (line.split() for line in answer.stdout.splitlines())
    return frozenset(words[1] for words in lines if len(words) >= 3 and "->" in words[2])


def run(
    command: Sequence[str],
    *,
    seconds: float,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> None:
    """Run ffmpeg to its end, in the caller's process group.

    `progress` gets 0 to 1 of `seconds` of output; `started` its process id, and None at the end. Raises
    `NoSpace`, `SourceUnavailable` or `EncoderFailed` with the last thing it said; a note holds the last 20.
    """
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    except OSError as error:
        raise EncoderFailed(f"{command[0]} can't be run: {error.strerror}.") from error
    assert process.stdout is not None
    assert process.stderr is not None
    started(process.pid)
    said: deque[str] = deque(maxlen=_KEPT_LINES)
    listener = threading.Thread(target=_listen, args=(process.stderr, said), name="ffmpeg-stderr")
    listener.start()
    try:
        for line in process.stdout:
            key, _, value = line.strip().partition("=")
            if key == "out_time_us" and value.lstrip("-").isdigit():  # it may say N/A
                progress(min(1.0, max(0.0, int(value) / 1e6 / seconds)) if seconds else 1.0)
        code = process.wait()
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()
        process.stderr.close()
        started(None)
    if code != 0:
        failed = failure(code, list(said))
        failed.add_note("\n".join(said))
        raise failed


def failure(code: int, said: Sequence[str]) -> Exception:
    """What a failed run means to the user, by its exit code and its last lines."""
    text = "\n".join(said)
    last = said[-1].strip() if said else f"exit code {code}"
    full = any(words in text for words in ("No space left on device", "File too large", "quota exceeded"))
    if full or code == -signal.SIGXFSZ:
        return NoSpace("The spool's disk is full: free some space, then the clip can be cut.")
    if any(words in text for words in ("Input/output error", "Stale file handle", "not connected")):
        return SourceUnavailable(f"The recording can't be read now: {last}")
    if code < 0:
        return EncoderFailed(f"ffmpeg was ended by signal {-code}.")
    return EncoderFailed(f"ffmpeg failed: {last}")


def _listen(stderr: IO[str], said: deque[str]) -> None:
    for line in stderr:
        said.append(line.rstrip())
