"""The daemon's composition root: builds the parts, runs until a signal, drains, stops."""

from __future__ import annotations

import ipaddress
import json
import os
import random
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from agent.catalog.service import Catalog
from agent.checks.checks import Checks, needs_operator
from agent.control import Control
from agent.cutting import Engine, EngineSettings
from agent.preview.service import PreviewService
from agent.resources.checkpoint_uploads import CheckpointUploads
from agent.resources.checkpoints import Checkpoints
from agent.resources.mounts import MountMemory
from agent.resources.signing import SigningCheck
from agent.resources.spool import Spool
from agent.settings import Settings
from agent.systemd import Systemd
from agent.watch import Watch
from agent.work.cancels import Cancels
from agent.work.completed_counter import CompletedCounter
from agent.work.deferred import Deferred
from agent.work.delivery import Courier
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.failures import Failures
from agent.work.inflight import InFlight
from agent.work.intake import Intake
from agent.work.job_runner import JobRunner
from agent.work.lanes import ACKNOWLEDGE_SECONDS, Lanes
from agent.work.maker import Maker
from agent.work.owner_outages import OwnerOutages
from agent.work.posters import PosterMaker
from agent.work.progress import ProgressReporter
from agent.work.recordings import Recordings
from clipping import __version__
from clipping.bus.publisher import Publisher
from clipping.bus.reach import Reach
from clipping.clock import SystemClock
from clipping.config import Config, Health
from clipping.errors import ConfigurationError
from clipping.exits import EXIT_OK
from clipping.log import get_logger
from clipping.release import Patience
from clipping.signals import StopSignals
from clipping.store.open import check_file_system, open_coordination_store, open_store
from clipping.store.owners import OwnerStores
from clipping.store.readers import SourceReaders
from health.cluster.coordinator import Coordinator
from health.cluster.poller import poll
from health.election.roles import Facts, Identity
from health.lease.guard import Guard, NoLease
from health.page.server import HealthServer
from health.page.token import read_token

log = get_logger(__name__)

ANNOUNCE_SECONDS = 20.0
LOOK_SECONDS = 0.05
SIGNAL_SECONDS = 1.0
STOP_EXTRA_SECONDS = 30.0
"""In addition to the drain: for giving clips back and releasing the lease."""
UPLOADS_SECONDS = 3.0
"""For deleting the checkpoints of clips that have just ended."""
EXTEND_AFTER_SECONDS, EXTEND_SECONDS = 240.0, 60.0
"""The unit allows 330 s for a stop. A longer stop extends that repeatedly."""


def run(settings: Settings, *, announce: Callable[[str], None]) -> NoReturn:
    """Serve until SIGTERM or SIGINT, then finish the clips in flight. A second signal gives them back now.
    SIGHUP reloads the configuration.

    `announce` gets one line of JSON (agent_id, pid, health_url) once the agent is ready in its role, or
    after `ANNOUNCE_SECONDS`. Raises `ConfigurationError` when it can't start.
    """
    check_file_system(settings.current)
    agent = _Agent(settings, StopSignals(signal.SIGHUP))
    agent.start()
    if agent.wait_until_well():
        announce(json.dumps({"agent_id": agent.id, "pid": os.getpid(), "health_url": agent.url + "/health"}))
    name = agent.serve()
    finished = agent.stop(name)
    log.info("agent.stopped", finished=finished)
    # Neither a handler that hangs (in an upload, say) nor the Pub/Sub library's threads are daemon threads:
    # the interpreter would wait for them, the latter for up to a minute. Everything of ours is closed.
    os._exit(agent.coordinator.exit_code() or EXIT_OK)


class _Agent:
    """All parts of one agent process."""

    def __init__(self, settings: Settings, signals: StopSignals) -> None:
        config = settings.current
        self.id = config.agent.id
        self._settings = settings
        self._token = read_token(config.health.token_file)
        self._signals = signals
        self._clock, self._systemd = SystemClock(), Systemd()
        self._spool = Spool(
            Path(config.agent.state_dir),
            min_free_bytes=config.agent.min_free_bytes,
            patience=Patience(_log_wait, stopped=signals.pending),
        )
        settings.follow(self._changed)
        self._engine = Engine(engine_settings(config))
        # Before gRPC is used in this process: the engine's child processes must not inherit it.
        self._engine.start()
        self._build(config)

    def _build(self, config: Config) -> None:
        clock, names = self._clock, config.pubsub
        elects = config.ha.mode == "primary-standby"
        guard = Guard(clock, config.ha.deadline_seconds) if elects else None
        self._in_flight, mounts = InFlight(), MountMemory()
        self._completed = CompletedCounter(Path(config.agent.state_dir), clock)
        store = open_store(config)
        self._publisher = Publisher(names.project, timeout_seconds=names.publish_timeout_seconds)
        self._progress = ProgressReporter(self._publisher, names.progress_topic, clock)
        stores = OwnerStores(config, store)
        self._outages = OwnerOutages(stores, self.id, clock)
        self._deferred = Deferred(lambda: {**self._checks.read(), **self._outages.read()}, clock)
        self._cancels = Cancels(store, self._in_flight, self._deferred.jobs)
        courier = Courier(
            stores,
            agent_id=self.id,
            signed_url_seconds=config.storage.signed_url_days * 86400,
            short_seconds=config.limits.short_retention_hours * 3600,
            unsigned=lambda: self._checks.signing_failed(),
        )
        self._uploads = (
            CheckpointUploads(store, Path(config.agent.state_dir) / "checkpoint-uploads")
            if config.checkpoints.remote
            else None
        )
        runner = JobRunner(
            settings=self._settings,
            clock=clock,
            maker=Maker(
                self._engine,
                EncodeCheckpoints(
                    self._settings,
                    Checkpoints(Path(config.agent.state_dir), most_bytes=config.checkpoints.max_bytes),
                    guard or NoLease(),
                    clock,
                    self._uploads,
                ),
                Recordings(self._settings, self._engine, mounts, stores, SourceReaders(config)),
            ),
            spool=self._spool,
            failures=Failures(Path(config.agent.state_dir)),
            courier=courier,
            posters=PosterMaker(self._engine, courier),
            outages=self._outages,
            cancels=self._cancels,
            publisher=self._publisher,
            progress=self._progress,
            guard=guard or NoLease(),
        )
        self._lanes = Lanes(config, runner, self._publisher, self._in_flight, self._deferred, self._completed)
        self._intake = Intake(self._lanes, self._in_flight, clock, drain_seconds=config.ha.drain_seconds)
        self._reach = Reach(names.project, names.worker_subscription)
        self._checks = Checks(
            self._settings,
            clock,
            spool=self._spool,
            engine=self._engine,
            mounts=mounts,
            reach=self._reach,
            signing=SigningCheck(store, config.agent.cluster, self.id, clock),
            store=store,
        )
        self._watch = Watch(
            config.agent,
            clock,
            checks=self._checks,
            lanes=self._lanes,
            intake=self._intake,
            in_flight=self._in_flight,
            loops={
                "coordinator": lambda: self.coordinator.heartbeat_age(),
                "intake": self._intake.heartbeat_age,
                "progress": self._progress.heartbeat_age,
                "health page": lambda: self._server.heartbeat_age(),
            },
            role=lambda: self.coordinator.view(),
            has_lease=elects,
            on_snapshot=self._systemd.update,
        )
        self._previews = PreviewService(self._settings, self._engine, mounts, stores, clock)
        self._server = HealthServer(
            config.health.host,
            config.health.port,
            self._watch.snapshot,
            clock,
            token=self._token,
            mounts=self._previews.mounts,
        )
        self.url = advertised(config.health, self._server.port)
        self.coordinator = Coordinator(
            config,
            identity=Identity(self.id, secrets.token_hex(8), socket.gethostname(), self.url, config.ha.rank),
            clock=clock,
            store=open_coordination_store(config),
            work=self._intake,
            guard=guard,
            self_check=self._watch.self_check,
            facts=self._facts,
            state_dir=Path(config.agent.state_dir),
            rng=random.Random(),
            poll=partial(poll, token=self._token),
        )
        self._catalog = Catalog(
            self._settings, store, mounts, clock, works=lambda: self.coordinator.view().role == "active"
        )
        self._control = Control(
            Path(config.agent.state_dir),
            {
                "status": self._status,
                "health": lambda: {"message": self._watch.health()},
                "reload": self._reload,
                "drain": lambda: {"message": self.coordinator.drain()},
                "pause": self._pause,
                "resume": self._resume,
            },
        )

    def start(self) -> None:
        """Start all parts, and notify systemd: a standby is ready too."""
        self._checks.start()
        self._progress.start()
        self._cancels.start()
        self._deferred.start()
        if self._uploads is not None:
            self._uploads.start()
        self._intake.start()
        self._watch.start()
        self.coordinator.start()
        self._catalog.start()
        self._server.start()
        self._control.start()
        self._systemd.ready()
        log.info(
            "agent.started",
            agent_id=self.id,
            version=__version__,
            mode=self._settings.current.ha.mode,
            health_port=self._server.port,
            pid=os.getpid(),
            roots=[root.path for root in self._settings.current.agent.nas_roots],
        )

    def wait_until_well(self) -> bool:
        """Wait until every check passes and an agent leads, at most `ANNOUNCE_SECONDS`. False on a signal.

        It does not wait for an unmounted NAS or a full disk: they need an operator.
        """
        give_up = self._clock.monotonic() + ANNOUNCE_SECONDS
        while self._clock.monotonic() < give_up and not self._signals.pending():
            snapshot = self._watch.snapshot()
            led = snapshot.role == "active" or (snapshot.lease is not None and snapshot.lease.holder)
            if (led and not snapshot.failed) or needs_operator(snapshot.failed):
                return True
            self._clock.sleep(LOOK_SECONDS)
        return not self._signals.pending()

    def serve(self) -> str:
        """Wait for a signal or the coordinator's end; the name of what ended it."""
        while self.coordinator.exit_code() is None:
            match self._signals.wait(SIGNAL_SECONDS):
                case None:
                    continue
                case "SIGHUP":
                    self._reload_by_signal()
                case name:
                    return name
        return "the coordinator"

    def stop(self, why: str) -> bool:
        """Drain, release the lease, close all parts; whether all clips in flight were finished."""
        log.info("agent.stopping", by=why, in_flight=len(self._in_flight.jobs()))
        self._systemd.stopping()
        unfinished = self._lanes.unfinished
        self._catalog.close()
        self._drain()
        self._deferred.close()
        finished = self._lanes.close(ACKNOWLEDGE_SECONDS)
        self._control.close()
        if self._uploads is not None:
            self._uploads.close(UPLOADS_SECONDS)
        self._cancels.close()
        self._progress.close()
        self._publisher.close(5.0)
        self._reach.close(1.0)
        self._intake.close()
        self._previews.close()
        self._server.close()
        self._engine.close()
        self._watch.close()
        self._checks.close()
        self._outages.close()
        self._systemd.close()
        self._completed.close()
        self._spool.close()
        return finished and self._lanes.unfinished == unfinished

    def _drain(self) -> None:
        begun = self._clock.monotonic()
        give_up = begun + self._settings.current.ha.drain_seconds + STOP_EXTRA_SECONDS
        extended = begun + EXTEND_AFTER_SECONDS
        self.coordinator.request_stop(fast=False)
        while not self.coordinator.wait_stopped(LOOK_SECONDS):
            now = self._clock.monotonic()
            if now >= give_up:
                log.error("agent.stop_hangs", seconds=now - begun)
                return
            if now >= extended:
                extended = now + EXTEND_SECONDS / 3
                self._systemd.extend(EXTEND_SECONDS)
            if self._signals.wait(0) in ("SIGTERM", "SIGINT"):
                self.coordinator.request_stop(fast=True)

    def _facts(self) -> Facts:
        probe = self._engine.encoder_probe
        return Facts(
            len(self._in_flight.jobs()),
            self._completed.total(),
            tuple(each.name for each in probe if each.usable),
            probe,
        )

    def _changed(self, config: Config) -> None:
        self._spool.min_free_bytes = config.agent.min_free_bytes

    def _reload(self) -> Mapping[str, Any]:
        self._systemd.reloading()
        try:
            done = self._settings.reload()
        finally:
            self._systemd.ready()
        return {"applied": list(done.applied), "needs_restart": list(done.needs_restart)}

    def _reload_by_signal(self) -> None:
        try:
            self._reload()
        except ConfigurationError as error:
            log.error(
                "config.broken", problems=error.problems, still="the previous configuration stays in effect"
            )

    def _status(self) -> Mapping[str, Any]:
        view = self.coordinator.view()
        return {
            **self._watch.snapshot().body(self._clock.monotonic(), show_paths=True),
            "state": view.state.value,
            "why": view.why,
            "mode": self._settings.current.ha.mode,
            "paused": view.paused,
            "intake": view.intake and self._intake.held is None,
            "pid": os.getpid(),
        }

    def _pause(self) -> Mapping[str, Any]:
        self.coordinator.pause_intake()
        return {"message": "intake paused: the agent takes no new clips and keeps the lease"}

    def _resume(self) -> Mapping[str, Any]:
        self.coordinator.resume_intake()
        return {"message": "intake resumed: the agent takes clips while it leads"}


def _log_wait(sentence: str) -> None:
    log.warning("start.waiting", reason=sentence)


def engine_settings(config: Config) -> EngineSettings:
    """The engine's part of the configuration."""
    cutting = config.cutting
    return EngineSettings(
        ffmpeg=Path(config.agent.ffmpeg) if config.agent.ffmpeg else None,
        stall_seconds=cutting.stall_seconds,
        time_limit_seconds=cutting.time_limit_seconds,
        encoder=cutting.encoder,
        gpus=cutting.gpus,
        sessions_per_gpu=cutting.sessions_per_gpu,
        verify=cutting.verify,
        max_pixels=cutting.max_pixels,
        slots=config.agent.slots.interactive + config.agent.slots.batch,
        on_damage=cutting.on_damage,
        # Kept over restarts: the index of a ten-hour recording takes a second to read.
        cache_dir=Path(config.agent.state_dir) / "index",
        posters=cutting.poster,
    )


def advertised(health: Health, port: int) -> str:
    """The base URL at which other agents reach this agent's health page."""
    if health.advertise_url is not None:
        return health.advertise_url
    try:
        address = ipaddress.ip_address(health.host)
    except ValueError:
        return f"http://{health.host}:{port}"
    if address.is_unspecified:
        return f"http://{socket.gethostname()}:{port}"
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"
