"""Opens a recording once and reads it by its descriptor, with a demuxer that opens no other file.

A path is resolved only once: it may refer to another file at any time, even to one outside the roots.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self, TypedDict

import av
import av.container

from agent.cutting.formats.media import Identity
from agent.cutting.formats.spans import Spans, covers
from agent.cutting.formats.streams import context_of
from agent.cutting.process.limits import short_of_memory
from agent.cutting.reading.holes import data_end
from clipping.errors import (
    SourceChanged,
    SourceCorrupt,
    SourceNotAllowed,
    SourceNotFound,
    SourceUnavailable,
)

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,mxf,flv,asf,ogg,dv,gxf,"
    "h264,hevc,ivf,nut,wav,aac,mp3,flac,w64,aiff"
)
"""Containers that are one file. Playlists (hls, dash, concat, sdp, imf) are excluded: they make
libavformat open other files. Audio-only formats are included, so that they get a specific error."""

PROTOCOLS = "file,subfile,concat"
"""The protocols for reading a recording: see `url_of`."""
_MOST_PIXELS = 8192 * 8192


class _Opening(TypedDict):
    """Arguments of `av.open`."""

    options: dict[str, str]
    metadata_errors: str


OPENING: _Opening = {
    "options": {
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": DEMUXERS,
        "max_pixels": str(_MOST_PIXELS),
    },
    # Titles may be in any encoding, whatever the container's standard says.
    "metadata_errors": "replace",
}
"""How libavformat opens any file here."""


def limit_pixels(pixels: int) -> None:
    """Limit the size of decoded frames in this process (one job)."""
    OPENING["options"]["max_pixels"] = str(pixels)


def decoder_options() -> dict[str, str]:
    """libavcodec's options for every decoder of a recording."""
    return {"max_pixels": OPENING["options"]["max_pixels"]}


FULL = "the spool's disk is full: free some space"
_OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_AWAY = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
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
"""What reading an open file ends with while the file system is away. A file that was there when it was opened
is not missing, so "no such file" is one of them."""
_REASONS = {
    errno.EAGAIN: "packets are missing",  # from its MPEG-TS
    errno.EPERM: "seeking fails",
    errno.ENOMEM: "it states impossible sizes",
}
"""What libavformat means by errors that have another meaning elsewhere."""
_NEVER_A_FILE = frozenset({errno.ELOOP, errno.ENAMETOOLONG})
_LOOK_BYTES = 64 << 10


@dataclass(frozen=True)
class SourceFile:
    """An open recording. Close it, or use it as a context manager."""

    name: Path
    """The path as the user gave it, for messages. Never opened again."""
    descriptor: int
    """Opened with O_PATH: it pins the file, and closing it never waits for a file system that hangs."""
    identity: Identity
    present: Spans | None = None
    """What of the recording is in the file, which reads as zeros elsewhere; None: all."""

    @property
    def path(self) -> Path:
        """Opens this very file, in this process and in those that inherit the descriptor."""
        return _by_descriptor(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _by_descriptor(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}")


def open_path(path: Path) -> SourceFile:
    """Open the file that is at a path now. Raises as `adopt`, and `SourceNotFound`."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"there is no file {path}: check the path") from None
    except OSError as error:
        if error.errno in _NEVER_A_FILE:
            raise SourceNotFound(f"there is no file {path}: {error.strerror}") from error
        raise SourceUnavailable(f"{path} can't be opened: {error.strerror}") from error
    return adopt(path, descriptor)


def adopt(name: Path, descriptor: int) -> SourceFile:
    """Take over a descriptor opened with O_PATH; it is closed when this raises.

    Raises `SourceNotAllowed` (not a regular file), `SourceUnavailable` and `SourceCorrupt` (it is empty).
    """
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceNotAllowed(f"{name} is not a regular file: name a recording")
        identity = _identity(descriptor)
        if identity.size == 0:
            raise SourceCorrupt(f"{name.name} is empty (0 bytes)")
    except OSError as error:
        os.close(descriptor)
        raise SourceUnavailable(f"{name} can't be opened: {error.strerror}") from error
    except BaseException:
        os.close(descriptor)
        raise
    return SourceFile(name, descriptor, identity)


def _identity(descriptor: int) -> Identity:
    # Opening it shows whether it may be read, and makes NFS ask the server for the newest attributes.
    opened = os.open(_by_descriptor(descriptor), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return Identity.of(os.fstat(opened))
    finally:
        os.close(opened)


def check_present(source: SourceFile, begin: int, size: int) -> None:
    """Raises `SourceCorrupt` when these bytes of a recording in a bucket were not fetched."""
    if source.present is not None and not covers(source.present, begin, begin + size):
        raise lacking(source)


def lacking(source: SourceFile) -> SourceCorrupt:
    """The error when more of a recording in a bucket is needed than was fetched: more of it will be."""
    return SourceCorrupt(f"more of {source.name.name} is needed than was fetched")


def grown(source: SourceFile) -> bool:
    """Whether the recording was appended to since it was opened.

    Raises `SourceChanged` when what was read is not there any more, and `SourceUnavailable`.
    """
    if source.identity.uri is not None:
        return False  # an object is replaced as a whole, and this file is a copy
    with reading(source.name, OSError):
        later = _identity(source.descriptor)
    if not source.identity.still_holds(later):
        raise SourceChanged(f"{source.name.name} changed while it was read: the clip is cut again")
    return source.identity.grew(later)


def check_readable(source: SourceFile) -> None:
    """Raises `SourceUnavailable` when the recording can't be read at its start, middle or end.

    libavformat takes a failed read for the end of the file or for damage as often as not.
    """
    with reading(source.name, OSError), source.path.open("rb", buffering=0) as file:
        # Not from the page cache, which proves nothing.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        last = max(0, source.identity.size - _LOOK_BYTES)
        for at in (0, last // 2, last):
            os.pread(file.fileno(), _LOOK_BYTES, at)


def url(path: Path) -> str:
    """The file for libavformat: without the prefix, a name like `concat:x` would be taken for a protocol."""
    return f"file:{path}"


def url_of(source: SourceFile, pieces: Sequence[tuple[int, int]]) -> str:
    """Pieces of the recording for libavformat and for ffmpeg, as if they were a file: from byte, to byte."""
    parts = [f"subfile,,start,{begin},end,{end},,:{url(source.path)}" for begin, end in pieces if begin < end]
    return parts[0] if len(parts) == 1 else f"concat:{'|'.join(parts)}"


def stored_url(source: SourceFile) -> str:
    """The recording for libavformat and for ffmpeg, without what was reserved behind it and never written.

    Raises `SourceCorrupt` when nothing was written, and `SourceUnavailable`.
    """
    with reading(source.name, OSError), source.path.open("rb") as file:
        end = data_end(file.fileno(), source.identity.size)
    if end == 0:
        raise SourceCorrupt(f"{source.name.name} has no data: all of its bytes are zero")
    return url(source.path) if end == source.identity.size else url_of(source, [(0, end)])


@contextmanager
def open_source(source: SourceFile) -> Iterator[av.container.InputContainer]:
    """The demuxed recording. Raises `SourceUnavailable`, and `SourceCorrupt` when it can't be read as one."""
    with reading(source.name), _open(source) as container:
        yield container


def _open(source: SourceFile) -> av.container.InputContainer:
    try:
        return _demuxed(source, None)
    except av.error.InvalidDataError:
        # libavformat would fall back on the extension, which a descriptor does not have.
        demuxer = _demuxers().get(source.name.suffix.lower().removeprefix("."))
        if demuxer is None:
            raise
    return _demuxed(source, demuxer)


def _demuxed(source: SourceFile, demuxer: str | None) -> av.container.InputContainer:
    return bounded(av.open(stored_url(source), format=demuxer, **OPENING))


def bounded(container: av.container.InputContainer) -> av.container.InputContainer:
    """The container, whose decoders keep to the limit of `limit_pixels`."""
    for video in container.streams.video:
        context = context_of(video)
        if context is not None:
            context.options = decoder_options()
    return container


@cache
def _demuxers() -> dict[str, str]:
    """By the extensions that libavformat knows for them."""
    known = [av.ContainerFormat(name, "r") for name in DEMUXERS.split(",") if name in av.formats_available]
    return {extension: known_format.name for known_format in known for extension in known_format.extensions}


@contextmanager
def reading(
    name: Path, kind: type[av.error.FFmpegError] | type[OSError] = av.error.FFmpegError
) -> Iterator[None]:
    """Translate errors of one kind, libav's or the system's, into ours about the recording `name`."""
    try:
        yield
    except kind as error:
        raise translated(error, name) from error


def translated(error: av.error.FFmpegError | OSError, name: Path) -> Exception:
    """The error for the user from an error of libav or of the system."""
    # libavformat also says that memory is short when a damaged file names an impossible size …
    if isinstance(error, MemoryError) and short_of_memory():
        return MemoryError()
    # … and some of its parts that something is not permitted, for every kind of damage.
    of_libav = isinstance(error, av.error.FFmpegError) and error.errno == errno.EPERM
    if error.errno in _AWAY and not of_libav:
        return SourceUnavailable(f"{name.name} can't be read now: {error.strerror}")
    reason = _REASONS.get(error.errno or 0, error.strerror)
    return SourceCorrupt(
        f"{name.name} can't be read as a recording ({reason}): "
        "it is damaged, incomplete, still being written, or not a video"
    )


def out_of_space(error: av.error.FFmpegError | OSError) -> bool:
    """Whether a write failed because the disk is full."""
    return error.errno in _OUT_OF_SPACE
