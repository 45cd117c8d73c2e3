"""`clipping-agent doctor`: checks everything that the agent depends on, as the agent would use it."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from agent.checks.api import check_api
from agent.checks.encoders import encoder_findings, tried
from agent.checks.findings import Finding
from agent.checks.gpu_access import render_node_findings
from agent.checks.own_files import KEY_FILE, check_folder, check_key_file
from agent.checks.root_access import check_root
from agent.commands.configuration import load
from agent.cutting import find_ffmpeg
from agent.cutting.encode.ffmpeg import ask
from agent.resources.signing import try_once
from agent.resources.spool import Spool, StateDirInUse
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import Config
from clipping.contract.cluster import doctor_key, place_key
from clipping.errors import BusUnavailable, ClippingError, EncoderFailed, SigningUnavailable, StoreUnavailable
from clipping.exits import EXIT_FAILED, EXIT_OK
from clipping.signals import Stopped, until_stopped
from clipping.store.conditions import check_conditions
from clipping.store.open import check_file_system, open_coordination_store, open_store
from clipping.store.readers import SourceReaders

STOP_SECONDS = 2.0
"""How long a check that can't be interrupted, such as a store call, may take after a signal."""
MAX_CLOCK_ERROR_SECONDS = 60.0
"""Signed links and tokens carry times; Google refuses them when they are minutes off."""


def run(arguments: argparse.Namespace) -> int:
    """Print the findings. Exit with 1 when one is bad."""
    loaded = load(arguments)
    stop = threading.Event()
    findings = until_stopped(lambda: examine(loaded, stop), stop.set, grace=STOP_SECONDS)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.name:24} {finding.detail}")
    return EXIT_OK if all(finding.ok for finding in findings) else EXIT_FAILED


def examine(config: Config, stop: threading.Event) -> list[Finding]:
    """All findings, in the order in which a clip depends on them. Raises `Stopped` once `stop` is set."""
    ffmpeg = Path(config.agent.ffmpeg) if config.agent.ffmpeg else None
    checks: list[tuple[str, Callable[[], str]]] = [
        ("pubsub", lambda: _pubsub(config)),
        ("store", lambda: _store(config)),
        ("signing", lambda: _signing(config)),
        ("clock", lambda: _clock(config)),
    ]
    roots = [(f"nas {root.path}", partial(check_root, root)) for root in config.agent.nas_roots]
    key_file = os.environ.get(KEY_FILE)
    if key_file:
        checks.insert(0, ("credentials", partial(check_key_file, KEY_FILE, key_file)))
    if config.storage.credentials:
        own = partial(check_key_file, "storage.credentials", config.storage.credentials)
        checks.insert(0, ("store credentials", own))
    checks += _sources(config)
    if config.preview.api_url is not None:
        checks.append(("console", partial(check_api, config.preview.api_url, _page(config))))
    checks += [(f"owner {name}", partial(_owner, config, name)) for name in config.owners]
    findings = [_finding("state_dir", lambda: _state_dir(config), stop)]
    findings.append(_finding("ffmpeg", lambda: _version(find_ffmpeg(ffmpeg)), stop))
    findings += encoder_findings(config.cutting.encoder, tried(ffmpeg, config.cutting, stop))
    findings += render_node_findings(config.cutting.encoder)
    if not (roots or config.sources):
        findings.append(
            Finding(
                "nas_roots", False, "agent.nas_roots is empty: list the folders of the recordings, or sources"
            )
        )
    return findings + [_finding(name, look, stop) for name, look in roots + checks]


def _page(config: Config) -> str:
    """The origin at which browsers find this agent."""
    from agent.daemon import advertised

    own = config.preview.agents.get(config.agent.id)
    return (own or advertised(config.health, config.health.port)).lower()


def _sources(config: Config) -> list[tuple[str, Callable[[], str]]]:
    readers = SourceReaders(config)
    return [(f"source {source.prefix}", partial(readers.try_out, source)) for source in config.sources]


def _finding(name: str, look: Callable[[], str], stop: threading.Event) -> Finding:
    if stop.is_set():
        raise Stopped
    try:
        return Finding(name, True, look())
    except ClippingError as error:
        return Finding(name, False, error.message)
    except OSError as error:  # of Google's libraries, such as for a key that can't be read
        return Finding(name, False, f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _state_dir(config: Config) -> str:
    path = Path(config.agent.state_dir)
    check_folder("agent.state_dir", path)
    try:
        spool = Spool(path, min_free_bytes=config.agent.min_free_bytes)
    except StateDirInUse:
        return f"{path} is in use by the running agent"
    try:
        with spool.folder("doctor"):
            return f"{path}, {spool.free_bytes() // 1_000_000} MB free"
    finally:
        spool.close()


def _version(ffmpeg: Path) -> str:
    answer = ask([ffmpeg, "-hide_banner", "-version"])
    first = answer.stdout.partition("\n")[0]
    if answer.code != 0 or not first.startswith("ffmpeg version"):
        raise EncoderFailed(f"{ffmpeg} is not ffmpeg: it ended with code {answer.code}, output {first!r}")
    return f"{ffmpeg}: {first}"


def _pubsub(config: Config) -> str:
    missing = provision(config.pubsub.project, topology(config), dry_run=True)
    if missing:
        raise BusUnavailable(
            f"run `clipping-agent provision`; it would {'; '.join(str(change) for change in missing)}"
        )
    return f"project {config.pubsub.project}: topics and subscriptions exist"


def _store(config: Config) -> str:
    check_file_system(config)
    if config.storage.backend == "local" and config.storage.path is not None:
        check_folder("storage.path", Path(config.storage.path))
    check_conditions(open_coordination_store(config), _key(config))
    return f"{config.storage.backend}: wrote, read and removed an object; stale writes are refused"


def _key(config: Config) -> str:
    return doctor_key(config.agent.cluster, f"{config.agent.id}-{secrets.token_hex(4)}")


def _signing(config: Config) -> str:
    scratch = Path(config.agent.state_dir)
    return try_once(open_store(config), _key(config), SystemClock(), scratch=scratch)


def _owner(config: Config, name: str) -> str:
    """As `_store` and `_signing`, with the credentials of a caller and in its place."""
    own = config.owners[name]
    if own.credentials is not None:
        check_key_file(f"owners.{name}.credentials", own.credentials)
    store = open_store(config, owner=name)
    key = place_key(f"doctor-{config.agent.id}-{secrets.token_hex(4)}")
    place = store.uri(key).removesuffix(key)
    try:
        signed = try_once(store, key, SystemClock(), scratch=Path(config.agent.state_dir))
        store.list(key, limit=1)
        if store.stat(key) is not None:
            store.delete(key)  # once more, as its failure has been ignored
    except (StoreUnavailable, SigningUnavailable) as error:
        who = f"owners.{name}.credentials" if own.credentials is not None else "the store's account"
        raise StoreUnavailable(
            f"{place}: {error.message}; let {who} list, read, write and delete below it"
        ) from None
    return f"{place}: wrote, listed and removed an object; {signed}"


def _clock(config: Config) -> str:
    error = abs((open_store(config).server_time() - SystemClock().now()).total_seconds())
    if error > MAX_CLOCK_ERROR_SECONDS:
        raise StoreUnavailable(f"this machine's clock differs from the store's by {error:.0f} s: set up NTP")
    return f"differs from the store's by {error:.1f} s"
