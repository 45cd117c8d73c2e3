"""The daemon's composition root: builds the parts, runs until a signal, drains, stops."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

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
from clipping.store.open import open_store
from health.server import HealthServer
from health.snapshot import Snapshot

log = get_logger(__name__)

NO_ELECTION_EPOCH = 0
ANNOUNCE_SECONDS = 20.0
LOOK_SECONDS = 0.05


def run(config: Config, *, announce: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; then finish the clips in hand (a second signal gives them back at once).

    `announce` gets one line of JSON when the agent is well, or has tried to be for `ANNOUNCE_SECONDS`:
    agent_id, pid, health_url. Raises `ConfigurationError` when it can't start.
    """
    signals = _Signals()
    clock, systemd = SystemClock(), Systemd()
    spool = Spool(Path(config.agent.state_dir), min_free_bytes=config.agent.min_free_bytes)
    ffmpeg = Path(config.agent.ffmpeg) if config.agent.ffmpeg else None
    cutting = config.cutting
    engine = Engine(
        EngineSettings(
            ffmpeg=ffmpeg,
            stall_seconds=cutting.stall_seconds,
            time_limit_seconds=cutting.time_limit_seconds,
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
    signals.wait_for(lambda: not watch.snapshot().reasons, ANNOUNCE_SECONDS)
    announce(json.dumps({"agent_id": config.agent.id, "pid": os.getpid(), "health_url": url}))

    name = signals.wait()
    log.info("agent.stopping", signal=name, in_flight=len(lanes.in_flight.works()))
    watch.role = "draining"
    systemd.stopping()
    signals.on_next(lanes.hurry)
    finished = lanes.drain(config.agent.drain_seconds)
    lanes.close()
    progress.close()
    publisher.close(5.0)
    watch.close()
    server.close()
    engine.close()
    spool.close()
    log.info("agent.stopped", finished=finished)
    if not finished:
        # A handler that hangs (in an upload, say) is no daemon thread: the interpreter would wait for it.
        os._exit(EXIT_OK)
    return EXIT_OK


def _status_line(snapshot: Snapshot) -> str:
    work = f"{len(snapshot.in_flight)} clips in hand"
    return f"{snapshot.role}, {work}" + (f"; {snapshot.reasons[0]}" if snapshot.reasons else "")


class _Signals:
    """SIGTERM and SIGINT as something to wait for."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._name = ""
        self._next: Callable[[], None] = self._arrived.set
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._name = signal.Signals(number).name
        self._next()

    def wait(self) -> str:
        """Block until the first signal; its name."""
        self._arrived.wait()
        return self._name

    def wait_for(self, well: Callable[[], bool], timeout: float) -> None:
        """Block until `well()`, until a signal, or for `timeout` seconds."""
        give_up = time.monotonic() + timeout
        while not well() and time.monotonic() < give_up and not self._arrived.wait(LOOK_SECONDS):
            pass

    def on_next(self, call: Callable[[], None]) -> None:
        """What a further signal does. Called in the main thread, between two of its bytecodes: be brief."""
        self._next = call
