"""`python -m embedded.tied PARENT COMMAND…`: execute COMMAND, which is killed when PARENT dies.

Otherwise a stack that is killed with SIGKILL would leave orphan processes with their locks and ports. They
get SIGKILL, because a graceful exit can take minutes (a drain), and each of them recovers from it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the prctl call
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
