"""Opens the recording that a request names: a regular file inside the roots.

Symlinks may lead anywhere inside the roots, absolute ones included. They are resolved first; the result is
opened below the root's own descriptor without following any link. If a folder was replaced in between,
nothing is opened and the path is resolved again. Later steps read the descriptor, not the path.

A root that is not mounted is SOURCE_UNAVAILABLE, never "not found".
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from agent.cutting.reading.source import SourceFile, adopt
from agent.resources.beneath import open_beneath
from agent.resources.mounts import MountMemory
from clipping.config import NasRoot
from clipping.errors import ClippingError, SourceNotAllowed, SourceNotFound, SourceUnavailable
from clipping.store.local import OBJECTS
from clipping.store.port import KEY

LOOK_SECONDS = 10.0
"""A NAS that has not answered a `stat` by then is unavailable. The call itself can't be interrupted."""

MOST_LOOKS = 32
"""Calls to one root that have not returned. Each keeps a thread: a NAS that hangs for a day must not use up
all threads."""

_TRIES = 10
_LEADS_ELSEWHERE = frozenset({errno.ELOOP, errno.EXDEV, errno.EAGAIN})

T = TypeVar("T")
_looks: dict[str, threading.BoundedSemaphore] = {}
"""By root: one that hangs does not affect the others."""


class _Exchanged(Exception):
    """A part of the path was replaced while it was resolved and opened."""


def open_below(
    path: str,
    roots: Sequence[NasRoot],
    *,
    timeout: float = LOOK_SECONDS,
    mounts: MountMemory | None = None,
) -> SourceFile:
    """Open a recording; the caller closes it. `mounts` knows which roots were mounted before.

    Raises `SourceNotAllowed` (outside every root, or not a regular file), `SourceNotFound`, `SourceCorrupt`
    (it is empty) and `SourceUnavailable` (its root is not mounted, hangs, or the file can't be read).
    """
    return answer_within(
        lambda: use_below(path, roots, adopt, mounts=mounts),
        timeout,
        f"the NAS did not answer within {timeout:g} s: {path}",
        root=root_of(path, roots),
        discard=SourceFile.close,
    )


def open_object(uri: str, folder: Path, key: str, *, timeout: float = LOOK_SECONDS) -> SourceFile:
    """Open an object of a local store, whose data is at `key` below `folder`; the caller closes it.

    Raises `SourceNotFound`, `SourceCorrupt` (it is empty), and `SourceUnavailable`.
    """
    return answer_within(
        lambda: _open_object(uri, folder, key),
        timeout,
        f"the store did not answer within {timeout:g} s: {uri}",
        root=str(folder),
        discard=SourceFile.close,
    )


def open_stored(uri: str, path: str | None) -> SourceFile:
    """An object of the local store in the folder `path`, by its URI. Raises as `open_object`."""
    assert path is not None, "a store with such URIs has a folder"
    folder = Path(path).resolve() / OBJECTS
    key = uri.removeprefix(f"{folder.as_uri()}/")
    if not KEY.fullmatch(key):
        raise SourceNotFound(f"there is no object {uri}")
    return open_object(uri, folder, key)


def _open_object(uri: str, folder: Path, key: str) -> SourceFile:
    try:
        store = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SourceUnavailable(f"storage.path: {folder} can't be opened: {error.strerror}") from None
    try:
        return adopt(Path(uri), open_beneath(store, key))
    except OSError as error:
        raise _unreadable(uri, error) from None
    finally:
        os.close(store)


def root_of(path: str, roots: Sequence[NasRoot]) -> str:
    """The root that a path names; empty for a path outside them."""
    return next((root.path for root in roots if Path(path).is_relative_to(root.path)), "")


def use_below(
    path: str,
    roots: Sequence[NasRoot],
    take: Callable[[Path, int], T],
    *,
    mounts: MountMemory | None = None,
) -> T:
    """What `take` makes of the path and the descriptor (O_PATH) of a file or folder, which it takes over.

    It may hang as the NAS does: use it within `answer_within`. Raises as `open_below`, and as `take`.
    """
    reason = ""
    for _ in range(_TRIES):
        try:
            return _use_once(path, roots, take, mounts)
        except _Exchanged as exchanged:
            reason = str(exchanged)
    if _is_circle(path):
        raise SourceNotFound(f"{path} is a symlink loop")
    raise SourceUnavailable(f"{path} can't be opened now: {reason}")


def _use_once(
    path: str, roots: Sequence[NasRoot], take: Callable[[Path, int], T], mounts: MountMemory | None
) -> T:
    try:
        root, below = _place(path, roots)
    except OSError as error:  # a link was replaced meanwhile, or the NAS is gone
        raise _Exchanged(error.strerror) from error
    try:
        folder = os.open(root.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        check_mounted(root, mounts)
        raise SourceUnavailable(f"{root.path} can't be opened: {error.strerror}") from None
    try:
        descriptor = open_beneath(folder, below)
    except OSError as error:
        if error.errno in _LEADS_ELSEWHERE:
            raise _Exchanged(error.strerror) from error
        confirm_root(root, folder, mounts)
        raise _unreadable(path, error) from None
    finally:
        os.close(folder)
    return take(Path(path), descriptor)


def _place(path: str, roots: Sequence[NasRoot]) -> tuple[NasRoot, str]:
    """The root of a path, and the path below it without symlinks. Both may be outdated at any time."""
    real = os.path.realpath(path)
    # The root that the path names first: checking another one that hangs would hang this, too.
    for root in sorted(roots, key=lambda root: not Path(path).is_relative_to(root.path)):
        within = os.path.realpath(root.path)
        if Path(real).is_relative_to(within):
            return root, os.path.relpath(real, within)
    raise SourceNotAllowed(
        f"{path} is outside the roots: agent.nas_roots lists the folders that clips may be cut from"
    )


def confirm_root(root: NasRoot, folder: int, mounts: MountMemory | None) -> None:
    """Raises `SourceUnavailable` unless the open `folder` is still the mounted root. It may hang as the NAS
    does."""
    check_mounted(root, mounts)
    try:
        same = os.path.samestat(os.stat(root.path), os.fstat(folder))
    except OSError as error:
        raise SourceUnavailable(f"{root.path} is not usable: {error.strerror}; is the NAS mounted?") from None
    if not same:
        raise SourceUnavailable(f"{root.path} was mounted or renamed just now")


def _is_circle(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _unreadable(path: str, error: OSError) -> ClippingError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return SourceNotFound(f"there is no {'object' if '://' in path else 'file'} {path}")
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
                    raise SourceUnavailable(f"{root.path} is empty: mount the NAS there, or add a recording")
    except OSError as error:
        what = f"its marker {root.marker}" if root.marker is not None else "it"
        raise SourceUnavailable(
            f"{root.path} is not usable: {what} can't be read ({error.strerror}); is the NAS mounted?"
        ) from None


def answer_within(
    look: Callable[[], T],
    timeout: float,
    complaint: str,
    *,
    root: str = "",
    discard: Callable[[T], None] = lambda _: None,
) -> T:
    """What `look` returns or raises, or `SourceUnavailable(complaint)` after `timeout` seconds.

    It runs in a separate thread: a hung mount blocks every thread that accesses it, and must not block us.
    A late result goes to `discard`.
    """
    looks = _looks.setdefault(root, threading.BoundedSemaphore(MOST_LOOKS))
    if not looks.acquire(
        timeout=timeout
    ):  # wait as long as the others, so that attempts are not used up faster
        raise SourceUnavailable(complaint)
    look_at = _Look(look, discard, looks)
    threading.Thread(target=look_at.run, name="nas-look", daemon=True).start()
    return look_at.result(timeout, complaint)


class _Look(Generic[T]):
    """One call, shared by the thread that runs it and the thread that waits for it."""

    def __init__(
        self, look: Callable[[], T], discard: Callable[[T], None], looks: threading.BoundedSemaphore
    ) -> None:
        self._look, self._discard, self._looks = look, discard, looks
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._outcome: list[T | ClippingError] = []
        self._given_up = False

    def run(self) -> None:
        outcome: list[T | ClippingError] = []
        try:
            outcome.append(self._look())
        except ClippingError as error:
            outcome.append(error)
        finally:
            with self._lock:
                self._outcome = outcome
                late = self._given_up
            self._looks.release()
            self._over.set()
        if late and not isinstance(outcome[0], ClippingError):
            self._discard(outcome[0])

    def result(self, timeout: float, complaint: str) -> T:
        self._over.wait(timeout)
        with self._lock:
            self._given_up = True
            outcome = self._outcome
        if not outcome:
            raise SourceUnavailable(complaint)
        if isinstance(outcome[0], ClippingError):
            raise outcome[0]
        return outcome[0]
