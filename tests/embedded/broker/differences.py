"""Where Google's emulator is known to behave otherwise than Pub/Sub itself, by the name of the test.

Seen with version 0.8.20 of the emulator. These are expected failures on that target only; one that passes with a
newer emulator is reported as such (XPASS) and is to be taken off the table.
"""

from __future__ import annotations

KNOWN_DIFFERENCES: dict[str, str] = {}
