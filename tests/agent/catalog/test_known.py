"""What scans know of recordings."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from agent.catalog.known import KnownRecordings
from agent.cutting.cache import Cache, name_of
from agent.cutting.formats.media import Identity


def test_a_scan_that_hung_goes_on_while_the_next_one_begins(tmp_path: Path) -> None:
    recordings = [Identity(1, number, 1, 1) for number in range(2000)]
    for one in recordings:
        (tmp_path / f"{name_of(one)}.json").touch()
    known, ended = KnownRecordings(Cache(tmp_path)), threading.Event()
    known.refresh()

    def scan() -> None:
        for one in recordings:
            known.of(one)
        ended.set()

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads meet in the middle of what they do
    try:
        threading.Thread(target=scan, daemon=True).start()
        while not ended.is_set():
            known.refresh()
    finally:
        sys.setswitchinterval(usual)
