"""The daemon's composition root: builds the parts, runs until a signal, drains, stops."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from agent.cutting import Engine, EngineSettings
from agent.delivery import Courier
from agent.job import Identity, Job
from agent.lanes import Lanes
from agent.progress import ProgressReporter
from agent.spool import Spool
from agent.systemd import Systemd
from agent.watch import Watch
from clipping import __version__
from clipping.bus.publisher import Publisher
from clipping.clock import SystemClock
from clipping.config import Config
from clipping.exits import EXIT_OK
from clipping.log import get_logger
from clipping.signals import StopSignals
from clipping.store.open import open_store
from health.server import HealthServer
from health.snapshot import Snapshot

log = get_logger(__name__)

NO_ELECTION_EPOCH = 0
ANNOUNCE_SECONDS = 20.0
LOOK_SECONDS = 0.05


def run(config: Config, *, announce: Callable[[str], None]) -> NoReturn:
    """Serve until SIGTERM or SIGINT; then finish the clips in hand (a second signal gives them back at once).

    `announce` gets one line of JSON when the agent is well, or has tried to be for `ANNOUNCE_SECONDS`:
    agent_id, pid, health_url. Raises `ConfigurationError` when it can't start.
    """
    signals = StopSignals()
    clock, systemd = SystemClock(), Systemd()
    spool = Spool(Path(config.agent.state_dir), min_free_bytes=config.agent.min_free_bytes)
    ffmpeg = Path(config.agent.ffmpeg) if config.agent.ffmpeg else None
    cutting = config.cutting
    engine = Engine(
        EngineSettings(
            ffmpeg=ffmpeg,
            stall_seconds=cutting.stall_seconds,
            time_limit_seconds=cutting.time_limit_seconds,
            encoder=cutting.encoder,
            nvenc_sessions=cutting.nvenc_sessions,
            verify=cutting.verify,
            # Kept over restarts: the index of a ten-hour recording takes a second to read.
            cache_dir=Path(config.agent.state_dir) / "index",
        )
    )
    # Before anything of gRPC exists in this process: the engine's children must not inherit it.
    engine.start()
    publisher = Publisher(config.pubsub.project, timeout_seconds=config.pubsub.publish_timeout_seconds)
    progress = ProgressReporter(publisher, config.pubsub.progress_topic, clock)
    identity = Identity(config.agent.id, NO_ELECTION_EPOCH)
    courier = Courier(
        open_store(config),
        agent_id=config.agent.id,
        signed_url_seconds=config.storage.signed_url_days * 86400,
    )
    job = Job(
        config=config,
        clock=clock,
        engine=engine,
        spool=spool,
        courier=courier,
        publisher=publisher,
        progress=progress,
        identity=lambda: identity,
    )
    lanes = Lanes(config, job, publisher)
    watch = Watch(config, clock, lanes, spool, lambda snapshot: systemd.status(_status_line(snapshot)))
    server = HealthServer(config.health.host, config.health.port, watch.snapshot, clock)

    progress.start()
    lanes.start()
    watch.start()
    server.start()
    systemd.ready()
    log.info(
        "agent.started",
        agent_id=config.agent.id,
        version=__version__,
        health_port=server.port,
        pid=os.getpid(),
        roots=[root.path for root in config.agent.nas_roots],
    )
    url = f"http://{config.health.host}:{server.port}/health"
    name = _until_well(watch, signals)
    announce(json.dumps({"agent_id": config.agent.id, "pid": os.getpid(), "health_url": url}))

    name = name or signals.wait()
    log.info("agent.stopping", signal=name, in_flight=len(lanes.in_flight.works()))
    watch.role = "draining"
    systemd.stopping()
    finished = lanes.drain(config.ha.drain_seconds, hurry=lambda: signals.wait(0) is not None)
    lanes.close()
    progress.close()
    publisher.close(5.0)
    watch.close()
    server.close()
    engine.close()
    spool.close()
    log.info("agent.stopped", finished=finished)
    # Neither a handler that hangs (in an upload, say) nor the Pub/Sub library's threads are daemon threads:
    # the interpreter would wait for them, the latter for up to a minute. Everything of ours is closed.
    os._exit(EXIT_OK)


def _until_well(watch: Watch, signals: StopSignals) -> str | None:
    """Wait until all is well, for `ANNOUNCE_SECONDS` at most; the signal that came meanwhile, if any."""
    give_up = time.monotonic() + ANNOUNCE_SECONDS
    name = None
    while name is None and watch.snapshot().reasons and time.monotonic() < give_up:
        name = signals.wait(LOOK_SECONDS)
    return name


def _status_line(snapshot: Snapshot) -> str:
    work = f"{len(snapshot.in_flight)} clips in hand"
    return f"{snapshot.role}, {work}" + (f"; {snapshot.reasons[0]}" if snapshot.reasons else "")
