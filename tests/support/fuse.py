"""An in-memory file system whose reads fail on request, to simulate a faulty NAS. Requires root."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

_LIBC = ctypes.CDLL(None, use_errno=True)
_DETACH = 2
_HEAD = struct.Struct("<IIQQIIII")
"""Length, operation, number, node, uid, gid, pid, padding (linux/fuse.h)."""
_ANSWER = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
_ROOT, _FOREVER = 1, 3600
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _STATFS = 1, 2, 3, 14, 15, 17
_RELEASE, _FLUSH, _INIT, _OPENDIR, _READDIR, _RELEASEDIR = 18, 25, 26, 27, 28, 29
_ACCESS, _INTERRUPT, _DESTROY, _BATCH_FORGET = 34, 36, 38, 42
_SILENT = frozenset({_FORGET, _INTERRUPT, _BATCH_FORGET})
_DIRECT_IO = 1
"""Bypasses the page cache, so that every read reaches the file system."""
_REQUEST_BYTES = 256 << 10


class FaultyMount:
    """A mount with faults. A context manager. Raises `OSError` where nothing can be mounted."""

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        self._folder = folder
        self._files = list(files.items())
        self.fail: int | None = None
        """The error of every read; None: reads succeed."""
        self.after_read: Callable[[], None] = lambda: None
        """Called after each successful read."""
        self.bytes_read = 0

    def __enter__(self) -> Self:
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
        if _LIBC.mount(b"faulty", os.fsencode(self._folder), b"fuse", 0, options) != 0:
            number = ctypes.get_errno()
            os.close(self._device)
            raise OSError(number, os.strerror(number))
        self._thread = threading.Thread(target=self._serve, name="fuse", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        _LIBC.umount2(os.fsencode(self._folder), _DETACH)
        self._thread.join(10)  # the kernel closes the connection after the last user
        os.close(self._device)

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._device, _REQUEST_BYTES)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return
            _, operation, number, node, *_ = _HEAD.unpack_from(request)
            if operation in _SILENT:
                continue
            try:
                data, failure = self._answer(operation, node, request[_HEAD.size :]), 0
            except OSError as error:
                data, failure = b"", error.errno or errno.EIO
            try:
                os.write(self._device, _ANSWER.pack(_ANSWER.size + len(data), -failure, number) + data)
            except FileNotFoundError:
                pass  # the requesting process was killed
            if operation == _READ and not failure:
                self.after_read()
            if operation == _DESTROY:
                return

    def _answer(self, operation: int, node: int, body: bytes) -> bytes:
        match operation:
            case _ if operation == _INIT:
                major, minor, ahead, _ = struct.unpack_from("<IIII", body)
                head = struct.pack("<IIIIHHI", major, min(minor, 31), ahead, 0, 16, 12, 128 << 10)
                return head + struct.pack("<IHHI7I", 1, 32, 0, 0, *[0] * 7)
            case _ if operation == _LOOKUP:
                found = self._node(os.fsdecode(body.rstrip(b"\0")))
                return struct.pack("<QQQQII", found, 0, _FOREVER, _FOREVER, 0, 0) + self._attributes(found)
            case _ if operation == _GETATTR:
                return struct.pack("<QII", _FOREVER, 0, 0) + self._attributes(node)
            case _ if operation in (_OPEN, _OPENDIR):
                return struct.pack("<QII", node, _DIRECT_IO, 0)
            case _ if operation == _READ:
                return self._read(node, body)
            case _ if operation == _READDIR:
                return self._names(struct.unpack_from("<QQI", body)[1])
            case _ if operation == _STATFS:
                return struct.pack("<QQQQQIIII6I", 0, 0, 0, 0, 0, 4096, 255, 4096, 0, *[0] * 6)
            case _ if operation in (_RELEASE, _FLUSH, _RELEASEDIR, _ACCESS, _DESTROY):
                return b""
        raise OSError(errno.ENOSYS, "unknown")

    def _node(self, name: str) -> int:
        for number, (known, _) in enumerate(self._files):
            if name == known:
                return number + 2
        raise OSError(errno.ENOENT, "no such file")

    def _read(self, node: int, body: bytes) -> bytes:
        if self.fail is not None:
            raise OSError(self.fail, os.strerror(self.fail))
        _, offset, size = struct.unpack_from("<QQI", body)
        data = self._files[node - 2][1][offset : offset + size]
        self.bytes_read += len(data)
        return data

    def _attributes(self, node: int) -> bytes:
        folder = node == _ROOT
        size = 4096 if folder else len(self._files[node - 2][1])
        mode = stat.S_IFDIR | 0o755 if folder else stat.S_IFREG | 0o644
        times = (1_700_000_000,) * 3
        rest = (0, 0, 0, mode, 2 if folder else 1, 0, 0, 0, 4096, 0)
        return _ATTRIBUTES.pack(node, size, size // 512 + 1, *times, *rest)

    def _names(self, offset: int) -> bytes:
        answer = b""
        for number, (name, _) in list(enumerate(self._files))[offset:]:
            encoded = os.fsencode(name)
            entry = struct.pack("<QQII", number + 2, number + 1, len(encoded), stat.S_IFREG >> 12) + encoded
            answer += entry + bytes(-len(entry) % 8)
        return answer
