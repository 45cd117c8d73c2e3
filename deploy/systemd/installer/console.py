"""Console output of the installer, and running other programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence


class InstallError(Exception):
    """The installation failed. The message states the cause and the fix."""


def report(text: str) -> None:
    """Print one line of progress."""
    print(text, flush=True)


def run(
    command: Sequence[object], *, timeout: float = 120, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and capture its output; a non-zero status is not an error. Raises `InstallError` when the
    program is missing or takes longer than `timeout` seconds."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise InstallError(f"{words[0]} is missing on this machine") from None
    except subprocess.TimeoutExpired:
        raise InstallError(f"`{' '.join(words)}` timed out after {timeout:g} s") from None


def must(command: Sequence[object], *, timeout: float = 120) -> str:
    """Like `run`, but return the standard output. Raises `InstallError` with the last lines of output when
    the status is not 0."""
    done = run(command, timeout=timeout)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise InstallError(f"`{words}` failed with status {done.returncode}:\n{indented(done)}")
    return done.stdout


def indented(done: subprocess.CompletedProcess[str], lines: int = 15) -> str:
    """The last lines of a program's output, indented."""
    said = (done.stdout + done.stderr).strip().splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in said)


def report_error(text: str) -> None:
    """Print an error to stderr."""
    print(f"install: {text}", file=sys.stderr, flush=True)
