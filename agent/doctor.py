"""`clipping-agent doctor`: looks at everything that the agent stands on, as the agent would use it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.cutting import find_ffmpeg
from agent.sources import look_at_root
from agent.spool import Spool
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import Config, NasRoot
from clipping.errors import BusUnavailable, ClippingError, EncoderFailed, StoreUnavailable
from clipping.store.open import open_coordination_store, open_store

MAX_CLOCK_ERROR_SECONDS = 60.0
"""Signed links and tokens carry times; Google refuses them when they are minutes off."""
TEST_ENCODE_SECONDS = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


def examine(config: Config) -> list[Finding]:
    """All findings, in the order in which a clip would meet them."""
    findings = [_finding("state_dir", lambda: _state_dir(config))]
    ffmpeg = Path(config.agent.ffmpeg) if config.agent.ffmpeg else None
    findings.append(_finding("ffmpeg", lambda: _version(find_ffmpeg(ffmpeg))))
    findings.append(_finding("encoder libx264", lambda: _test_encode(find_ffmpeg(ffmpeg), "libx264")))
    if not config.agent.nas_roots:
        findings.append(
            Finding("nas_roots", False, "agent.nas_roots is empty: every recording would be refused")
        )
    for root in config.agent.nas_roots:
        findings.append(_finding(f"nas {root.path}", partial(_root, root)))
    findings.append(_finding("pubsub", lambda: _pubsub(config)))
    findings.append(_finding("store", lambda: _store(config)))
    findings.append(_finding("clock", lambda: _clock(config)))
    return findings


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except ClippingError as error:
        return Finding(name, False, error.message)


def _state_dir(config: Config) -> str:
    path = Path(config.agent.state_dir)
    try:
        spool = Spool(path, min_free_bytes=config.agent.min_free_bytes)
    except ClippingError as error:
        if "in use by another agent" in error.message:
            return f"{path} is in use by the running agent"
        raise
    try:
        with spool.folder("doctor"):
            return f"{path}, {spool.free_bytes() // 1_000_000} MB free"
    finally:
        spool.close()


def _root(root: NasRoot) -> str:
    look_at_root(root)
    return "mounted"


def _version(ffmpeg: Path) -> str:
    output = _run([str(ffmpeg), "-hide_banner", "-version"])
    return f"{ffmpeg}: {output.splitlines()[0]}"


def _test_encode(ffmpeg: Path, encoder: str) -> str:
    # The name in ffmpeg's list means nothing; a few encoded frames do.
    source = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=0.4"]
    _run([str(ffmpeg), "-nostdin", "-v", "error", *source, "-c:v", encoder, "-f", "null", "-"])
    return "encoded 10 frames"


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TEST_ENCODE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderFailed(f"{command[0]} can't be run: {error}") from None
    if done.returncode != 0:
        raise EncoderFailed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "ffmpeg failed")
    return done.stdout


def _pubsub(config: Config) -> str:
    missing = provision(config.pubsub.project, topology(config), dry_run=True)
    if missing:
        raise BusUnavailable(
            f"run `clipping-agent provision`; it would {'; '.join(str(change) for change in missing)}"
        )
    return f"project {config.pubsub.project}: topics and subscriptions are there"


def _store(config: Config) -> str:
    store = open_coordination_store(config)
    key = f"ha/{config.agent.cluster}/doctor/{config.agent.id}-{secrets.token_hex(4)}.json"
    info = store.replace(key, b"{}", expected=None)
    read = store.get(key)
    store.delete(key, expected=info.version)
    if read is None or read[0] != b"{}":
        raise StoreUnavailable("an object that was just written could not be read back")
    return f"{config.storage.backend}: wrote, read and removed an object"


def _clock(config: Config) -> str:
    error = abs((open_store(config).server_time() - SystemClock().now()).total_seconds())
    if error > MAX_CLOCK_ERROR_SECONDS:
        raise StoreUnavailable(f"this machine's clock is {error:.0f} s off the store's: set up NTP")
    return f"{error:.1f} s off the store's"
