"""`python -m embedded.broker --data DIR`: see `embedded.broker.process`, which takes longer to load."""

from __future__ import annotations

import sys

from clipping.signals import quiet_interrupts


def main() -> int:
    """The command; returns the exit code."""
    with quiet_interrupts():
        from embedded.broker import process

        return process.main()


if __name__ == "__main__":
    sys.exit(main())
