"""What the agent depends on, each checked in its own thread: NAS, disk, ffmpeg, engine, Pub/Sub, signing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from agent.cutting import Engine, find_ffmpeg
from agent.resources.mounts import MountMemory
from agent.resources.signing import SigningCheck
from agent.resources.sources import check_mounted
from agent.resources.spool import Spool
from agent.settings import Settings
from clipping.bus.reach import Reach
from clipping.clock import Clock
from clipping.config import Agent, Config, NasRoot
from clipping.contract.cluster import agent_key
from clipping.errors import EncoderFailed
from clipping.store.port import Store
from health.page.probe import NOT_CHECKED, Probe
from health.page.snapshot import Check

ENGINE = "engine"
FFMPEG = "ffmpeg"
SPOOL = "spool"
BUS = "pubsub"
SIGNING = "signing"
STORE = "store"
NAS = "nas "
"""Followed by the root's path."""
INTERVAL_SECONDS = 5.0
NAS_SECONDS = 10.0
"""Sleeping disks take this long to start."""
DISK_SECONDS = 10.0
ENGINE_SECONDS = 8.0
"""An engine answers within 10 ms. One that has not answered by then hangs."""
BUS_SECONDS = 3.0
SIGNING_INTERVAL_SECONDS, SIGNING_AGAIN_SECONDS = 30.0, 10.0
"""For links that are signed and fetched over the network. Both calls count against a quota."""
SIGNING_SECONDS = 40.0
"""IAM is asked three times, for 10 s each, before it counts as unreachable."""
STORE_INTERVAL_SECONDS, STORE_SECONDS = 10.0, 20.0
FIRST_SECONDS = 5.0


class Checks:
    """Runs the probes; follows changes of `agent.nas_roots`."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        spool: Spool,
        engine: Engine,
        mounts: MountMemory,
        reach: Reach,
        signing: SigningCheck,
        store: Store,
    ) -> None:
        self._clock, self._mounts = clock, mounts
        config = settings.current
        ffmpeg = Path(config.agent.ffmpeg) if config.agent.ffmpeg else None
        self._signing = Probe(
            SIGNING,
            signing.look,
            interval=INTERVAL_SECONDS if signing.local else SIGNING_INTERVAL_SECONDS,
            limit=SIGNING_SECONDS,
            # A single refused call to IAM is no reason to hand over.
            patience=1 if signing.local else 2,
            again=SIGNING_AGAIN_SECONDS,
            essential=False,
            bars_lead=True,
            clock=clock,
        )
        self._probes = [
            Probe(SPOOL, spool.look, interval=INTERVAL_SECONDS, limit=DISK_SECONDS, clock=clock),
            Probe(
                FFMPEG,
                lambda: str(find_ffmpeg(ffmpeg)),
                interval=INTERVAL_SECONDS,
                limit=DISK_SECONDS,
                clock=clock,
            ),
            Probe(
                ENGINE,
                lambda: _engine(engine),
                interval=INTERVAL_SECONDS,
                limit=2 * ENGINE_SECONDS,
                clock=clock,
            ),
            Probe(
                BUS,
                lambda: reach.look(BUS_SECONDS),
                interval=INTERVAL_SECONDS,
                limit=3 * BUS_SECONDS,
                patience=2,
                clock=clock,
            ),
            self._signing,
            Probe(
                STORE,
                lambda: _store(store, config.agent),
                interval=STORE_INTERVAL_SECONDS,
                limit=STORE_SECONDS,
                # A single failed call is no reason to stop the intake.
                patience=2,
                essential=False,
                clock=clock,
            ),
        ]
        self._roots = self._root_probes(config)
        settings.follow(self._changed)

    def start(self) -> None:
        """Start all probes, and wait at most `FIRST_SECONDS` for the first results."""
        for probe in [*self._probes, *self._roots]:
            probe.start()
        until = self._clock.monotonic() + FIRST_SECONDS
        for probe in [*self._probes, *self._roots]:
            probe.wait_first(max(0.0, until - self._clock.monotonic()))

    def close(self) -> None:
        for probe in [*self._probes, *self._roots]:
            probe.close()

    def read(self) -> Mapping[str, Check]:
        """The latest result of each check, by name. Never blocks."""
        return {probe.name: probe.check() for probe in [*self._probes, *self._roots]}

    def signing_failed(self) -> None:
        """A link could not be signed: run the signing check now."""
        if self._signing.check().ok:
            self._signing.check_now()

    def _root_probes(self, config: Config) -> list[Probe]:
        return [
            Probe(
                NAS + root.path,
                partial(self._root, root),
                interval=INTERVAL_SECONDS,
                limit=NAS_SECONDS,
                clock=self._clock,
            )
            for root in config.agent.nas_roots
        ]

    def _root(self, root: NasRoot) -> str:
        check_mounted(root, self._mounts)
        return "mounted"

    def _changed(self, config: Config) -> None:
        old, self._roots = self._roots, self._root_probes(config)
        for probe in self._roots:
            probe.start()
        for probe in old:
            probe.close(0)


def _store(store: Store, agent: Agent) -> str:
    store.stat(agent_key(agent.cluster, agent.id))  # it need not exist
    return "answers"


def _engine(engine: Engine) -> str:
    try:
        if engine.answers(ENGINE_SECONDS):
            return "answers"
    except EncoderFailed:
        return "not checked: ffmpeg is missing"  # the ffmpeg check reports it; a restart would not help
    raise EncoderFailed(f"the cutting process did not answer for {ENGINE_SECONDS:g} s")


def needs_operator(failed: Mapping[str, Check]) -> bool:
    """Whether only unmounted roots and a full disk fail, which waiting won't fix. Pure."""
    return bool(failed) and all(
        (name == SPOOL or name.startswith(NAS)) and check.detail != NOT_CHECKED
        for name, check in failed.items()
    )


def intake_trouble(checks: Mapping[str, Check]) -> str | None:
    """Why no request could be served now (full disk, no store, no signing, no NAS root), or None. Pure.

    While one of several roots is unavailable, requests for the others are served; its own are retried later.
    """
    for name in (SPOOL, STORE, SIGNING):
        check = checks.get(name)
        if check is not None and not check.ok:
            return f"{name}: {check.detail}"
    roots = {name: check for name, check in checks.items() if name.startswith(NAS)}
    if roots and not any(check.ok for check in roots.values()):
        return "; ".join(f"{name}: {check.detail}" for name, check in roots.items())
    return None
