"""Signals are queued, never lost, and never deadlock."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

WAITS = """
import sys
from clipping.signals import StopSignals
signals = StopSignals()
assert signals.wait(0) is None
assert signals.wait(0.05) is None
print("ready", flush=True)
while (name := signals.wait(0.001)) is None:
    pass
print(name, signals.wait(10), flush=True)
"""


def test_each_signal_is_read_once_in_its_order() -> None:
    with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)  # two of different kinds at once come in the kernel's order
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGINT SIGTERM\n"
        assert process.wait(10) == 0


def test_a_busy_waiter_never_hangs() -> None:
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            assert set(process.stdout.readline().split()) == {"SIGTERM", "SIGINT"}
            assert process.wait(10) == 0
