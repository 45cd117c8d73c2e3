"""Downloads a clip or reel, or what lies beside it, into a file: resumes interrupted downloads, and verifies
the file before renaming it."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

import requests

from clipping.client.failures import ApiError, NoAnswer, NotSaved, Unavailable
from clipping.client.transport import Retries, Transport
from clipping.contract.choices import DownloadFile
from clipping.contract.results import ClipStatus, Download
from clipping.store.layout import BESIDE

Progress = Callable[[int, int], None]

_RETRIES = Retries(tries=5)
"""The maximum number of consecutive attempts without data."""
_PIECE_BYTES = 1 << 16
"""An incomplete piece is fetched again."""
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,8}\Z", re.ASCII)
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""Errors of file systems without hard links: FAT, some network shares."""


@dataclass(frozen=True)
class Saved:
    """A verified clip on this machine."""

    path: Path
    size: int
    sha256: str


def save(
    transport: Transport,
    clip: ClipStatus,
    link: Download,
    to: Path | None,
    *,
    file: DownloadFile = "video",
    replace: bool = False,
    progress: Progress | None = None,
) -> Saved:
    """Download the clip, or the table of a reel, to `to`. Incomplete data is in `to` with `.part` added.

    Raises `NotSaved`.
    """
    target = _target(clip, to, file)
    sha256 = clip.sha256 if file == "video" else None
    if target.exists() and not replace:
        raise NotSaved(f"{target} exists: name another file, or replace it with --force")
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("ab+") as written:
            _lock(written)
            digest = _complete(transport, link, written, sha256, progress)
            os.fsync(written.fileno())
            _name(part, target, replace=replace)
    except OSError as error:
        raise NotSaved(f"{error.filename or part} can't be written: {error.strerror}") from None
    return Saved(target, link.file_size_bytes, digest)


def _target(clip: ClipStatus, to: Path | None, file: DownloadFile) -> Path:
    extension = _EXTENSION.search(clip.output_uri or "")
    end = extension.group() if extension else ".mp4"
    name = clip.hand_id + (end if file == "video" else BESIDE[file])
    if to is None:
        return Path(name)
    return to / name if to.is_dir() else to


def _lock(file: BinaryIO) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise NotSaved(f"{file.name} is being written by another download") from None


def _complete(
    transport: Transport, link: Download, file: BinaryIO, sha256: str | None, progress: Progress | None
) -> str:
    """Fetch what is missing; the digest of all. What an earlier download left may be of another clip: if all
    together is not this one, everything is fetched once more."""
    resumed = file.seek(0, os.SEEK_END) > 0
    _fetch_all(transport, link, file, progress)
    digest = _digest(file)
    if sha256 is None or digest == sha256:
        return digest
    file.truncate(0)
    if resumed:
        return _complete(transport, link, file, sha256, progress)
    raise NotSaved(f"the download is corrupt: its SHA-256 is {digest} instead of {sha256}")


def _fetch_all(transport: Transport, link: Download, file: BinaryIO, progress: Progress | None) -> None:
    """Fetch until the file is complete, with pauses after attempts without data."""
    size, misses = link.file_size_bytes, 0
    if file.seek(0, os.SEEK_END) > size:
        file.truncate(0)
    while (there := file.seek(0, os.SEEK_END)) < size:
        try:
            _fetch(transport, link, file, there, progress)
        except (NoAnswer, Unavailable) as error:
            misses = misses + 1 if file.seek(0, os.SEEK_END) <= there else 1
            if misses >= _RETRIES.tries:
                raise
            asked = error.retry_after if isinstance(error, Unavailable) else None
            time.sleep(_RETRIES.wait_before(misses, asked=asked))


def _fetch(
    transport: Transport, link: Download, file: BinaryIO, there: int, progress: Progress | None
) -> None:
    """One attempt, from byte `there` on."""
    size = link.file_size_bytes
    headers = {"Accept-Encoding": "identity"}
    if there:
        headers["Range"] = f"bytes={there}-"
    with transport.open_link(link.download_url, headers=headers) as answer:
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT:
            there = 0  # the store ignores the range
            file.truncate(0)
        elif answer.headers.get("Content-Range") != f"bytes {there}-{size - 1}/{size}":
            raise ApiError(
                "the store sends another part than was asked for", status=answer.status_code, code="BAD_RANGE"
            )
        try:
            for piece in answer.iter_content(_PIECE_BYTES):
                there += len(piece)
                if there > size:
                    file.truncate(0)
                    raise NotSaved(f"the store sends more than the {size} bytes of the clip")
                file.write(piece)
                if progress is not None:
                    progress(there, size)
        except requests.RequestException as error:
            raise NoAnswer(f"the download broke off: {error}") from None
        finally:
            file.flush()
    if there < size:
        raise NoAnswer(f"the download ended after {there} of {size} bytes")


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _name(part: Path, target: Path, *, replace: bool) -> None:
    """Rename the verified file, without replacing a file that was created in the meantime."""
    if replace:
        part.replace(target)
        return
    try:
        os.link(part, target)
        part.unlink()
    except FileExistsError:
        raise NotSaved(f"{target} was created meanwhile: name another file, or use --force") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        part.replace(target)
