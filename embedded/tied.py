"""`python -m embedded.tied PARENT COMMAND…`: become COMMAND, and be killed when PARENT dies.

A stack that was killed with -9 would otherwise leave its processes behind, holding their locks and ports.
SIGKILL, as an orderly end may take minutes (a drain), and as each of them recovers from it anyway.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
