"""`clipping-api`: serve the API, or bring its database up to date.

Imports as little as possible, so that a signal during the other imports ends the process quietly.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from clipping.exits import exit_code
from clipping.signals import quiet_interrupts


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 1 the operation failed, 2 usage, 78 configuration, 130 SIGINT, 143 SIGTERM."""
    with quiet_interrupts():
        return exit_code(lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    from api.process import commands

    return commands.run(argv)


if __name__ == "__main__":
    sys.exit(main())
