"""Processes that stop themselves (SIGSTOP) in the middle of a call of the local store.

The interpreter reports each file system call to an audit hook before it is made, so a process can stop
before its n-th one without any hook in the product. One small server process forks them, which is faster
than starting an interpreter for each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from clipping.errors import ClippingError
from clipping.store.local import LocalStore
from tests.support.procs import state_of
from tests.support.waiting import eventually

CALLS = {
    "open",
    "os.link",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "fcntl.flock",
    "shutil.copyfile",
    "shutil.rmtree",
}


@dataclass(frozen=True)
class Order:
    """What a process does: one call of a store. It stops before file system call number `stop_before`."""

    action: str
    store: str
    key: str
    result: str
    stop_before: int = 1_000_000
    source: str = ""
    data: str = ""
    expected: str | None = None


def perform(order: Order) -> object:
    """The call's result: a version, a content, a yes or no; or the name of the exception that it raised."""
    store = LocalStore(Path(order.store), public_url="http://x")
    _stop_before(order.stop_before, Path(order.result + ".at"))
    try:
        return _ACTIONS[order.action](store, order)
    except ClippingError as error:
        return {"error": type(error).__name__, "message": str(error)}
    finally:
        _stop_before(1_000_000, None)


def _create(store: LocalStore, order: Order) -> object:
    metadata = {"by": "the stopped process"}
    return store.create(order.key, Path(order.source), content_type="video/mp4", metadata=metadata).version


def _replace(store: LocalStore, order: Order) -> object:
    return store.replace(order.key, order.data.encode(), expected=order.expected).version


def _delete(store: LocalStore, order: Order) -> object:
    return store.delete(order.key, expected=order.expected)


def _get(store: LocalStore, order: Order) -> object:
    found = store.get(order.key)
    return found and found[0].decode()


def _list(store: LocalStore, order: Order) -> object:
    return [(info.key, info.version) for info in store.list("").objects]


_ACTIONS: dict[str, Callable[[LocalStore, Order], object]] = {
    "create": _create,
    "replace": _replace,
    "delete": _delete,
    "get": _get,
    "list": _list,
}
_hook: dict[str, Any] = {"left": None, "note": None, "installed": False}


def _stop_before(count: int, note: Path | None) -> None:
    _hook["left"], _hook["note"] = count, note
    if not _hook["installed"]:
        _hook["installed"] = True
        sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    note: Path | None = _hook["note"]
    if note is None or event not in CALLS:
        return
    if _hook["left"] > 0:
        _hook["left"] -= 1
        return
    _hook["note"] = None  # once, and not for what this function opens itself
    note.write_text(f"{event} {arguments}")
    os.kill(os.getpid(), signal.SIGSTOP)


class Stopped:
    """A forked process, as the test sees it."""

    def __init__(self, pid: int, order: Order) -> None:
        self.pid, self._order, self._ended = pid, order, False
        self.stopped: bool = eventually(self._settled, "the process to stop or to end", every=0.001) == "T"

    @property
    def at(self) -> str:
        """The call before which it stopped."""
        return Path(self._order.result + ".at").read_text()

    def resume(self) -> Any:
        """Resume it; returns its result."""
        os.kill(self.pid, signal.SIGCONT)
        return self.result()

    def result(self) -> Any:
        self._await_end()
        result = Path(self._order.result)
        assert result.exists(), f"it failed at {self.at}: see its traceback"
        return json.loads(result.read_text())

    def kill(self) -> None:
        """kill -9, unless it has ended."""
        if not self._ended:
            os.kill(self.pid, signal.SIGKILL)
            self._await_end()

    def _await_end(self) -> None:
        eventually(lambda: self._state() == "gone", "the process to end", every=0.001)
        self._ended = True

    def _settled(self) -> str | None:
        state = self._state()
        self._ended = state == "gone"
        return state if state in ("T", "gone") else None

    def _state(self) -> str:
        return state_of(self.pid) or "gone"


class Forks:
    """The server process."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.clipping.store.stepped"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._started: list[Stopped] = []

    def start(self, folder: Path, action: str, key: str, **more: Any) -> Stopped:
        """Start a process on the store `folder`/store; return when it has stopped or ended."""
        result = folder / f"result-{len(self._started)}"
        order = Order(action, str(folder / "store"), key, str(result), **more)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(vars(order)) + "\n")
        self._server.stdin.flush()
        self._started.append(Stopped(int(self._server.stdout.readline()), order))
        return self._started[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        for process in self._started:
            process.kill()
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(60)


def main() -> None:
    """Fork a process for each order on the standard input; print its id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries them
    for line in sys.stdin:
        order = Order(**json.loads(line))
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        Path(order.result).write_text(json.dumps(perform(order)))
        return


if __name__ == "__main__":
    main()
