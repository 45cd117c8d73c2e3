"""Sends a signal at a chosen point of a process's start: at an audit event of the interpreter (PEP 578).

A `sitecustomize` module counts the events once the process handles SIGINT itself; before that, no code of
this project runs. Child processes are not affected."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.procs import with_variable
from tests.support.waiting import eventually

MARK = "CLIPPING_TEST_INTERRUPTED"
ORDER = "CLIPPING_TEST_SIGNAL"
END_SECONDS = 60.0

_SITECUSTOMIZE = f'''
import os, signal, struct, sys

order = os.environ.pop("{ORDER}", "")
if order:
    number, _, point = order.partition(":")
    name, _, which = point.rpartition("#")
    seen, all_events, fired = 0, 0, False
    counter = os.open(os.environ["{MARK}"], os.O_RDWR | os.O_CREAT, 0o600)

    def hook(event, arguments, pid=os.getpid()):
        global seen, all_events, fired
        if os.getpid() != pid or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            return
        all_events += 1
        os.pwrite(counter, struct.pack("<Q", all_events), 0)
        seen += name in ("", event)
        if not fired and seen == int(which):
            fired = True
            os.kill(pid, int(number))

    sys.addaudithook(hook)
'''


@dataclass(frozen=True)
class Ended:
    """The exit code and the output of an interrupted process."""

    code: int
    stderr: str
    ready: bool
    """Whether it printed its first line on stdout."""


class Interrupter:
    """Runs a command repeatedly, with a signal at a different point each time."""

    def __init__(self, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._command = [sys.executable, "-m", *command]
        hooks = folder / "hooks"
        hooks.mkdir()
        (hooks / "sitecustomize.py").write_text(_SITECUSTOMIZE)
        path = os.pathsep.join([str(hooks), os.environ.get("PYTHONPATH") or os.getcwd()])
        self._counter = folder / "events"
        self._environ = {**os.environ, **environ, "PYTHONPATH": path, MARK: str(self._counter)}

    def events(self, *, service: bool) -> int:
        """The number of events of a complete run or, for a service, until it is ready."""
        ended = self.run(signal.SIGTERM, "#0", until_ready=service)
        assert ended.code == 0, ended.stderr
        return int.from_bytes(self._counter.read_bytes(), "little")

    def run(self, number: signal.Signals, point: str, *, until_ready: bool) -> Ended:
        """Run once, with the signal at `point` (`NAME#COUNT`, `#COUNT` for any event) or when it is ready."""
        environ = {**self._environ, ORDER: f"{int(number)}:{point}"}
        log = self._folder / "stderr"
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                self._command, env=environ, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True
            )
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], END_SECONDS)
            ready = bool(process.stdout.readline()) if readable else False
            if ready and until_ready:
                process.send_signal(number)
            code = process.wait(END_SECONDS)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        eventually(
            lambda: not with_variable(MARK, str(self._counter)),
            f"all processes to exit after {point}",
        )
        return Ended(code, log.read_text(), ready)
