"""`python -m embedded.broker --data DIR`: see `embedded.broker.process`, which is slower to import."""

from __future__ import annotations

import sys

from clipping.arguments import load
from clipping.signals import quiet_interrupts


def main() -> int:
    """Run the command. Returns the exit code."""
    with quiet_interrupts():
        return int(load("embedded.broker.process:main")())


if __name__ == "__main__":
    sys.exit(main())
