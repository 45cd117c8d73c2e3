"""Uploads a recording: whole, or where the store can do that, from where an attempt broke off."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from clipping.client.failures import Conflict, NoAnswer, NotUploaded, Unavailable
from clipping.client.transport import Retries, Transport
from clipping.contract.results import Upload

Progress = Callable[[int, int], None]

_RETRIES = Retries(tries=5)
"""The maximum number of consecutive attempts without anything new in the store."""
_TYPES = {
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "m2ts": "video/mp2t",
    "m4v": "video/mp4",
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "mpg": "video/mpeg",
    "mts": "video/mp2t",
    "mxf": "application/mxf",
    "ts": "video/mp2t",
    "webm": "video/webm",
}
_ARRIVED = re.compile(r"bytes=0-(\d+)")


def content_type_of(file: Path) -> str:
    """The type of a recording by its name."""
    return _TYPES.get(file.suffix[1:].lower(), "application/octet-stream")


def upload(
    transport: Transport, begin: Callable[[int], Upload], file: Path, progress: Progress | None
) -> Upload:
    """Upload the file to where `begin` says for its size.

    Raises `NotUploaded` when it can't be read or changes meanwhile.
    """
    try:
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            if not size:
                raise NotUploaded(f"{file} is empty")
            target = begin(size)
            _send_all(transport, target, _Body(opened, size, progress))
    except OSError as error:
        raise NotUploaded(f"{file} can't be read: {error.strerror}") from None
    return target


class _Body:
    """The rest of the file, as requests sends it."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress | None) -> None:
        self._file, self.size, self._progress = file, size, progress
        self.there = 0

    def begin(self, there: int) -> None:
        """The next attempt starts with this byte."""
        self.there = there
        self._file.seek(there)

    def __len__(self) -> int:
        return self.size - self.there

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("requests sends by `read`: an iterable body is one that it does not encode as a form")

    def read(self, most: int = -1) -> bytes:
        data = self._file.read(min(most, len(self)) if most >= 0 else len(self))
        if not data and self.there < self.size:
            raise NotUploaded(f"{self._file.name} became shorter while it was uploaded")
        self.there += len(data)
        if self._progress is not None:
            self._progress(self.there, self.size)
        return data


def _send_all(transport: Transport, target: Upload, body: _Body) -> None:
    """Send until the file is in the store, with pauses after failures."""
    misses, arrived, tried = 0, 0, False
    while True:
        try:
            if tried and target.resumable:
                before, arrived = arrived, _arrived(transport, target, body.size)
                misses = misses if arrived <= before else 0
            if arrived < body.size:
                body.begin(arrived)
                transport.put(target.upload_url, headers=_headers(target, body), body=body).close()
            return
        except Conflict as error:
            # 412 to a later attempt: an earlier one arrived, and its answer was lost.
            if not tried or error.status != HTTPStatus.PRECONDITION_FAILED:
                raise
            return
        except (NoAnswer, Unavailable) as error:
            tried, misses = True, misses + 1
            if misses >= _RETRIES.tries:
                raise
            asked = error.retry_after if isinstance(error, Unavailable) else None
            time.sleep(_RETRIES.wait_before(misses, asked=asked))


def _headers(target: Upload, body: _Body) -> Mapping[str, str]:
    if not body.there:
        return target.headers
    return {**target.headers, "Content-Range": f"bytes {body.there}-{body.size - 1}/{body.size}"}


def _arrived(transport: Transport, target: Upload, size: int) -> int:
    """How much of the file Cloud Storage has."""
    with transport.put(target.upload_url, headers={"Content-Range": f"bytes */{size}"}, body=b"") as answer:
        if answer.status_code != HTTPStatus.PERMANENT_REDIRECT:
            return size
        found = _ARRIVED.fullmatch(answer.headers.get("Range", ""))
        return int(found[1]) + 1 if found else 0
