"""Opening a recording, safely: an existing regular file, a demuxer that opens nothing else, clear errors."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.container

from agent.cutting.media import Identity
from clipping.errors import (
    SourceCorrupt,
    SourceNotAllowed,
    SourceNotFound,
    SourceUnavailable,
)

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,mxf,flv,asf,ogg,dv,gxf,"
    "h264,hevc,ivf,nut,wav,aac,mp3,flac,w64,aiff"
)
"""Containers that are one file. Playlists (hls, dash, concat, sdp, imf) are left out on purpose: they make
libavformat open whatever they name. Sound-only ones are in, so that they get an error that says so."""

OPENING: dict[str, Any] = {
    "options": {"protocol_whitelist": "file", "format_whitelist": DEMUXERS},
    # Titles may be in any encoding, whatever the container's standard says.
    "metadata_errors": "replace",
}
"""How libavformat opens any file here."""

FULL = "The spool's disk is full: free some space, then the clip can be cut."
_OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_AWAY = frozenset(
    {
        errno.EIO,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.ENOTCONN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENODEV,
        errno.ENXIO,
        errno.EACCES,
        errno.EPERM,
    }
)
_NEVER_A_FILE = frozenset({errno.ELOOP, errno.ENAMETOOLONG})


def identify(path: Path) -> Identity:
    """The file's identity.

    Raises `SourceNotFound`, `SourceNotAllowed` (no regular file) or `SourceUnavailable`.
    """
    try:
        # Not blocking: a FIFO would otherwise wait for a writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"There is no file {path}: check the path.") from None
    except OSError as error:
        if error.errno in _NEVER_A_FILE:
            raise SourceNotFound(f"There can be no file {path}: {error.strerror}.") from error
        if error.errno == errno.ENXIO and path.is_socket():
            raise SourceNotAllowed(f"{path} is not a regular file: name a recording.") from error
        raise SourceUnavailable(f"{path} can't be opened: {error.strerror}.") from error
    try:
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise SourceNotAllowed(f"{path} is not a regular file: name a recording.")
    if status.st_size == 0:
        raise SourceCorrupt(f"{path.name} is empty (0 bytes).")
    return Identity.of(status)


def url(path: Path) -> str:
    """The file for libavformat: without the prefix, a name like `concat:x` would be taken for a protocol."""
    return f"file:{path}"


@contextmanager
def open_source(path: Path) -> Iterator[av.container.InputContainer]:
    """The demuxed recording. Raises as `identify`, and `SourceCorrupt` when it can't be read as one."""
    with reading(path), av.open(url(path), **OPENING) as container:
        yield container


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Translate libav's errors about `path` into ours."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise translated(error, path) from error


def translated(error: av.error.FFmpegError, path: Path) -> Exception:
    """What an error of libav means to the user."""
    if error.errno in _AWAY:
        return SourceUnavailable(f"{path.name} can't be read now: {error.strerror}.")
    if error.errno == errno.ENOENT:
        return SourceNotFound(f"There is no file {path}: check the path.")
    # So libavformat's MPEG-TS says that it finds no packets any more.
    reason = "no packets follow where some should" if error.errno == errno.EAGAIN else error.strerror
    return SourceCorrupt(
        f"{path.name} can't be read as a recording ({reason}): "
        "it is damaged, incomplete, still being written, or not a video."
    )


def out_of_space(error: av.error.FFmpegError | OSError) -> bool:
    """Whether a write failed for want of room."""
    return error.errno in _OUT_OF_SPACE
