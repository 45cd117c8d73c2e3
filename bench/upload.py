"""`python -m bench.upload`: a large upload to the API, as a ratio to a copy on the same disk.

    python -m bench.upload [--bytes N] [--folder DIR]

Uploads a file of random bytes with curl to the API's local store, which streams it to the disk. Prints the
seconds (until it is flushed and stored) and the memory of the API's process, sampled every 10 ms: before, and
the most. The controls: `cp` and `sync` of the same file in the same folder, and curl to a bare server that
writes what it reads.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.usage import megabytes
from tests.api.api_process import ApiProcess
from tests.api.test_uploads import begun
from tests.support.broker import BrokerProcess

_PIECE = 1 << 18
_SAMPLE_SECONDS = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=2_000_000_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: the system's temporary folder)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        source = folder / "recording.mp4"
        _fill(source, arguments.bytes)
        copied = _timed(lambda: _copy(source, folder / "copy.mp4"))
        bare = _timed(lambda: _to_bare_server(source, folder / "bare.mp4"))
        with BrokerProcess(folder / "broker") as broker:
            api = ApiProcess(folder / "api", emulator=broker.host_port)
            try:
                _report(api, source, copied, bare)
            finally:
                api.close()
    return 0


def _report(api: ApiProcess, source: Path, copied: float, bare: float) -> None:
    size = source.stat().st_size
    upload = begun(api, size_bytes=size)
    before = megabytes(api.pid)
    seen: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            seen.append(megabytes(api.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    took = _timed(lambda: _curl(source, upload["upload_url"]))
    over.set()
    watching.join()
    stored = Path(urlsplit(upload["source_uri"]).path)
    assert subprocess.run(["cmp", source, stored], check=False).returncode == 0
    print(f"{size / 1e6:.0f} MB in {took:.1f} s, {size / 1e6 / took:.0f} MB/s")
    print(f"memory of the API: {before:.1f} MB before, {max(seen):.1f} MB at most ({len(seen)} samples)")
    print(f"cp and sync: {copied:.1f} s, ratio {took / copied:.2f}")
    print(f"curl to a bare server: {bare:.1f} s, ratio {took / bare:.2f}")


def _timed(work: Callable[[], None]) -> float:
    os.sync()  # what was written before must not count
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, _PIECE):
            file.write(os.urandom(min(_PIECE, size - start)))


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--reflink=never", source, target], check=True)
    subprocess.run(["sync", target], check=True)
    target.unlink()


def _curl(source: Path, url: str) -> None:
    command = ["curl", "-sS", "--fail-with-body", "-T", str(source), "-H", "Content-Type: video/mp4", url]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _to_bare_server(source: Path, target: Path) -> None:
    """A server for one request that reads into a file, flushes it and answers."""
    size = source.stat().st_size

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, target.open("wb") as file:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(_PIECE)
            if b"100-continue" in head.lower():
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left = size - file.write(head.partition(b"\r\n\r\n")[2])
            piece = memoryview(bytearray(_PIECE))
            while left and (count := connection.recv_into(piece)):
                left -= file.write(piece[:count])
            file.flush()
            os.fsync(file.fileno())
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve, args=(listening,))
        serving.start()
        _curl(source, f"http://127.0.0.1:{listening.getsockname()[1]}/recording.mp4")
        serving.join()
    target.unlink()


if __name__ == "__main__":
    sys.exit(main())
