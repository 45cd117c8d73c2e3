"""The local stack: broker, API and agents, each its own process, started in this order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import validate
from clipping.release import Patience, StillInUse, wait_for_port
from clipping.signals import Stopped, StopSignals
from clipping.store.open import open_coordination_store
from embedded.child import Child, StartFailed
from embedded.layout import HOST, Layout, free_port
from health.registry import prepare_cluster

START_SECONDS = 60.0
STOP_SECONDS = 20.0
AGENT_EXTRA_SECONDS = 30.0
"""What an agent needs on top of its drain to put everything away."""


class Stack:
    """`start` everything, `describe` it, `stop` it. Not thread-safe: it belongs to the main thread."""

    def __init__(
        self,
        layout: Layout,
        *,
        nas_roots: list[Path],
        port: int,
        agents: int,
        over: dict[str, Any],
        told: Callable[[str], None],
        signals: StopSignals,
    ) -> None:
        self._layout = layout
        self._told, self._signals = told, signals
        self._keys = layout.keys()
        self._port = port or free_port()
        self._tree = layout.tree(
            nas_roots=nas_roots, port=self._port, over=over, keys=self._keys, agents=agents
        )
        self._config = validate(self._tree)
        self._agent_names = [f"agent-{number + 1}" for number in range(agents)]
        self._broker_port = free_port()
        self._children: list[Child] = []
        self._agents: list[dict[str, Any]] = []

    def start(self) -> None:
        """Bring everything up. Raises `StartFailed`, or `Stopped` after a signal; what was started is stopped
        then."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._wait_for_port()
        arguments = ["--data", str(self._layout.data / "broker"), "--port", str(self._broker_port), "--json"]
        self._child("broker", "embedded.broker", arguments)
        os.environ["PUBSUB_EMULATOR_HOST"] = f"{HOST}:{self._broker_port}"
        self._check_signals()
        provision(self._config.pubsub.project, topology(self._config), dry_run=False)
        config = self._layout.write("api", self._tree)
        self._child("api", "api.cli", ["serve", "--config", str(config), "--json"])
        self._check_signals()
        self._prepare_lease()
        for number, name in enumerate(self._agent_names):
            # The first one leads by having come first; of the others each has its turn.
            tree = self._layout.agent_tree(self._tree, name, rank=max(0, number - 1))
            config = self._layout.write(name, tree)
            ready = self._child(name, "agent.cli", ["run", "--config", str(config), "--json"])
            self._agents.append(json.loads(ready))

    def _wait_for_port(self) -> None:
        """Here, as what the API itself says of it stands in its log."""
        api = self._config.api
        try:
            wait_for_port(api.host, api.port, Patience(self._told, stopped=self._signals.pending))
        except StillInUse as error:
            raise StartFailed(
                f"port {api.port} is in use by {error.holders}: stop that first, or choose another --port"
            ) from None

    def _check_signals(self) -> None:
        if self._signals.pending():
            raise Stopped

    def _prepare_lease(self) -> None:
        """The first agent of a new stack need not wait for the end of a lease that nobody ever had."""
        if self._config.ha.mode == "primary-standby":
            prepare_cluster(
                open_coordination_store(self._config),
                self._config.agent.cluster,
                clock=SystemClock(),
                ttl_seconds=self._config.ha.ttl_seconds,
            )

    def _child(self, name: str, module: str, arguments: list[str]) -> bytes:
        child = Child(
            name,
            module,
            arguments,
            environ={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            log_file=self._layout.log_file(name),
            told=self._told,
            lock=self._layout.lock,
        )
        self._children.append(child)
        return child.start(timeout=START_SECONDS, signals=self._signals)

    def describe(self) -> dict[str, Any]:
        """Where things are; the `--json` line of `clipping up`."""
        pids = {child.name: child.pid for child in self._children}
        return {
            "api_url": self._config.api.public_url,
            "api_key": self._keys.client,
            "admin_key": self._keys.admin,
            "pubsub_emulator_host": f"{HOST}:{self._broker_port}",
            "project": self._config.pubsub.project,
            "console_url": None,
            "agents": [{**agent, "pid": pids[agent["agent_id"]]} for agent in self._agents],
            "pids": {"api": pids["api"], "broker": pids["broker"]},
            "docs_url": f"{self._config.api.public_url}/docs",
            "data": str(self._layout.data),
            "nas_roots": [root.path for root in self._config.agent.nas_roots],
        }

    def stop(self) -> None:
        """Agents first (they finish the clips in hand), then the API, then the broker."""
        for child in reversed(self._children):
            is_agent = child.name in self._agent_names
            drain = self._config.ha.drain_seconds + AGENT_EXTRA_SECONDS
            child.stop(drain if is_agent else STOP_SECONDS)
        self._children.clear()
