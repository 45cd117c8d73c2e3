"""From the path in a request to a file that may be read: inside the roots, really a file, really there.

The path is resolved before it is judged (`..`, links and mounts included), and the resolved one is what the
engine opens. A root that is not mounted is SOURCE_UNAVAILABLE, never "not found".
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from agent.mounts import MountMemory
from clipping.config import NasRoot
from clipping.errors import ClippingError, SourceNotAllowed, SourceNotFound, SourceUnavailable

LOOK_SECONDS = 10.0
"""A NAS that has not answered a `stat` by then is away. The call itself can't be interrupted."""

MOST_LOOKS = 32
"""At one root, that have not returned. Each keeps a thread: a NAS that hangs for a day must not use up the
process's."""

T = TypeVar("T")
_looks: dict[str, threading.BoundedSemaphore] = {}
"""By root; whatever hangs there costs the others nothing."""


def resolve(
    path: str,
    roots: Sequence[NasRoot],
    *,
    timeout: float = LOOK_SECONDS,
    mounts: MountMemory | None = None,
) -> Path:
    """The real path of a recording. `mounts` knows which roots were mounted before.

    Raises `SourceNotAllowed` (outside every root, or not a regular file), `SourceNotFound`, and
    `SourceUnavailable` (its root is not mounted, hangs, or the file can't be read).
    """
    return answer_within(
        lambda: _resolve(path, roots, mounts),
        timeout,
        f"the NAS did not answer within {timeout:g} s: {path}",
        root=next((root.path for root in roots if Path(path).is_relative_to(root.path)), ""),
    )


def look_at_root(root: NasRoot, *, timeout: float = LOOK_SECONDS) -> None:
    """Raises `SourceUnavailable` when the root is missing, not mounted or hangs."""
    answer_within(lambda: check_mounted(root), timeout, f"{root.path} did not answer within {timeout:g} s")


def _resolve(path: str, roots: Sequence[NasRoot], mounts: MountMemory | None) -> Path:
    real = Path(os.path.realpath(path))
    # The root that the path names comes first: to look at another one that hangs would hang this, too.
    for root in sorted(roots, key=lambda root: not Path(path).is_relative_to(root.path)):
        if real.is_relative_to(os.path.realpath(root.path)):
            break
    else:
        raise SourceNotAllowed(f"{path} is not in one of the folders that clips may be cut from")
    try:
        info = os.stat(real)
    except OSError as error:
        check_mounted(root, mounts)
        raise _unreadable(path, error) from None
    if not stat.S_ISREG(info.st_mode):
        raise SourceNotAllowed(f"{path} is not a regular file")
    try:
        os.close(os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW))
    except OSError as error:
        raise _unreadable(path, error) from None
    return real


def _unreadable(path: str, error: OSError) -> ClippingError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return SourceNotFound(f"there is no file {path}")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SourceUnavailable(f"the agent may not read {path}: {error.strerror}")
    return SourceUnavailable(f"{path} can't be read now: {error.strerror}")


def check_mounted(root: NasRoot, mounts: MountMemory | None = None) -> None:
    """Raises `SourceUnavailable` when the root is missing or not mounted. May hang as the NAS does."""
    try:
        if mounts is not None:
            mounts.look(root.path)
        if root.marker is not None:
            os.stat(os.path.join(root.path, root.marker))
        else:
            with os.scandir(root.path) as entries:
                if next(entries, None) is None:
                    raise SourceUnavailable(f"{root.path} is empty: is the NAS mounted there?")
    except OSError as error:
        what = f"its marker {root.marker}" if root.marker is not None else "it"
        raise SourceUnavailable(
            f"{root.path} is not usable: {what} can't be read ({error.strerror}); is the NAS mounted?"
        ) from None


def answer_within(look: Callable[[], T], timeout: float, complaint: str, *, root: str = "") -> T:
    """What `look` returns or raises, or `SourceUnavailable(complaint)` after `timeout` seconds.

    It runs in a thread of its own: a hung mount blocks whoever looks at it, and must not block us.
    """
    looks = _looks.setdefault(root, threading.BoundedSemaphore(MOST_LOOKS))
    if not looks.acquire(timeout=timeout):  # as slowly as the others: attempts are not to be used up faster
        raise SourceUnavailable(complaint)
    outcome: list[T | ClippingError] = []

    def run() -> None:
        try:
            outcome.append(look())
        except ClippingError as error:
            outcome.append(error)
        finally:
            looks.release()

    thread = threading.Thread(target=run, name="nas-look", daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise SourceUnavailable(complaint)
    if isinstance(outcome[0], ClippingError):
        raise outcome[0]
    return outcome[0]
