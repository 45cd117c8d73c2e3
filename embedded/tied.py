"""`python -m embedded.tied PARENT LIBRARIES MODULE ARGUMENT…`: run a module's program, tied to its parent.

Imports LIBRARIES (a module, or nothing), then waits for the end of stdin, and only then runs the program: the
parent starts its processes at once, and lets each go on when what it needs is ready.

The process is killed when PARENT dies. Otherwise a stack that is killed with SIGKILL would leave orphan
processes with their locks and ports. They get SIGKILL, because a graceful exit can take minutes (a drain),
and each of them recovers from it."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

from clipping.arguments import load

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, libraries, module, *arguments = sys.argv[1:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it died before the prctl call
        sys.exit(1)
    if libraries:
        load(libraries)
    while os.read(sys.stdin.fileno(), 4096):
        pass
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
