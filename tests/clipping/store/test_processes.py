"""Processes that write one object all at once, while they are stopped, resumed and killed at random."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from clipping.store.local import LocalStore

pytestmark = [pytest.mark.slow]

KEY = "ha/main/lease.json"
SECONDS = 15.0
PROCESSES = 6

WRITER = """
import random, sys
from pathlib import Path
from clipping.errors import ObjectExists, VersionMismatch
from clipping.store.local import LocalStore
folder, name, key = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
store, chance = LocalStore(folder / "store", public_url="http://x"), random.Random(name)
log = open(folder / f"log-{name}", "w", buffering=1)
print("ready", flush=True)
for turn in range(1_000_000):
    if (folder / "end").exists():
        break
    found = store.get(key)
    expected = found[1].version if found else None
    if found:
        assert found[0] == found[0][:20] * 50, found
    how = chance.choice(["replace"] * 8 + ["delete", "create"])
    data = f"{name:>9}-{turn:>10}".encode() * 50
    try:
        if how == "delete" and expected:
            if store.delete(key, expected=expected):
                log.write(f"{expected} gone\\n")
        elif how == "create" and not expected:
            source = folder / f"source-{name}"
            source.write_bytes(data)
            log.write(f"none {store.create(key, source, content_type='a/b', metadata={}).version}\\n")
        else:
            log.write(f"{expected or 'none'} {store.replace(key, data, expected=expected).version}\\n")
    except (ObjectExists, VersionMismatch):
        pass
"""


@dataclass
class Writer:
    """A process that writes until the file `end` is there."""

    process: subprocess.Popen[str]
    log: Path
    stopped: bool = False


def _start(folder: Path, name: str) -> Writer:
    command = [sys.executable, "-c", WRITER, str(folder), name, KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert _ready(process.stdout)
    return Writer(process, folder / f"log-{name}")


def _ready(output: IO[str] | None) -> bool:
    return output is not None and output.readline() == "ready\n"


def _disturb(writers: list[Writer], folder: Path, chance: random.Random) -> int:
    """Stop, resume and kill for a while; how many were killed. One always runs."""
    until, killed = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        time.sleep(chance.uniform(0, 0.03))
        number = chance.randrange(1, PROCESSES)
        writer = writers[number]
        if writer.stopped:
            writer.process.send_signal(signal.SIGCONT)
        elif chance.random() < 0.03:
            _kill(writer)
            killed += 1
            writers[number] = _start(folder, f"{number}k{killed}")
            continue
        else:
            writer.process.send_signal(signal.SIGSTOP)
        writer.stopped = not writer.stopped
    return killed


def _kill(writer: Writer) -> None:
    writer.process.kill()
    writer.process.communicate(timeout=60)


def test_each_version_is_followed_by_one(area: Path) -> None:
    writers = [_start(area, str(number)) for number in range(PROCESSES)]
    try:
        killed = _disturb(writers, area, random.Random(1))
        for writer in writers:
            writer.process.send_signal(signal.SIGCONT)
        (area / "end").touch()
        for writer in writers:
            writer.process.communicate(timeout=60)
            assert writer.process.returncode == 0
    finally:
        for writer in writers:
            _kill(writer)

    steps = [line.split() for log in area.glob("log-*") for line in log.read_text().splitlines()]
    assert len(steps) > 1000, "they did not write much"
    consumed = Counter(expected for expected, _ in steps if expected != "none")
    assert [version for version, count in consumed.items() if count > 1] == []
    made = Counter(version for _, version in steps if version != "gone")
    assert set(made.values()) == {1}

    # Every version was made from another or from none, and but for the last one it was consumed; a killed
    # process may have written one and not said so.
    store = LocalStore(area / "store", public_url="http://x")
    last = store.stat(KEY)
    unaccounted = set(made) - set(consumed) - ({last.version} if last else set())
    assert len(unaccounted) <= killed
    assert len(set(consumed) - set(made)) <= killed

    if last is not None:
        assert store.delete(KEY, expected=last.version)
    left = [path for path in (area / "store" / "objects").rglob("*") if path.is_file()]
    assert left == []
