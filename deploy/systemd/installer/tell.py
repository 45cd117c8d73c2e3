"""What the installer says, and how it runs other programs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence


class InstallError(Exception):
    """What stopped the installation, and what to do about it."""


def say(text: str) -> None:
    """One line of progress."""
    print(text, flush=True)


def run(
    command: Sequence[object], *, timeout: float = 120, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its status; what it prints is kept. Raises `InstallError` when it is
    missing or takes longer than `timeout` seconds."""
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
        raise InstallError(f"`{' '.join(words)}` did not end within {timeout:g} s") from None


def must(command: Sequence[object], *, timeout: float = 120) -> str:
    """As `run`; raises `InstallError` with the program's last words when its status is not 0."""
    done = run(command, timeout=timeout)
    if done.returncode != 0:
        words = " ".join(str(word) for word in command)
        raise InstallError(f"`{words}` failed with status {done.returncode}:\n{indented(done)}")
    return done.stdout


def indented(done: subprocess.CompletedProcess[str], lines: int = 15) -> str:
    """The last lines of what a program said."""
    said = (done.stdout + done.stderr).strip().splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in said)


def complain(text: str) -> None:
    """An error, on stderr."""
    print(f"install: {text}", file=sys.stderr, flush=True)
