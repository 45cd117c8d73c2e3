"""The local stack: starts the broker, then the API and the agents in parallel, each as a process.

All processes load their libraries from the beginning, which takes longest."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.commands.ctl import NotRunning, ask
from clipping.arguments import load
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import overlay, validate
from clipping.release import Patience, StillInUse, wait_for_port
from clipping.signals import Stopped, StopSignals
from clipping.store.open import open_coordination_store
from embedded.child import Child, StartFailed
from embedded.layout import HOST, Layout, free_port
from embedded.starting import start_all
from embedded.storage import check_former, name_of, prepare
from health.cluster.registry import prepare_cluster

START_SECONDS = 180.0
STOP_SECONDS = 20.0
AGENT_EXTRA_SECONDS = 30.0
"""Time for an agent's cleanup after its drain."""
FAST_STOP_SECONDS = 30.0
"""Time for an agent to return its clips to the queue. After it the agent is killed; the clips are
redelivered."""
POLL_SECONDS = 0.1
ASK_SECONDS = 2.0
PORT_SECONDS = 1.0
_PROVISION = "clipping.bus.provision:provision"
"""Imported after the broker's start: it takes as long as that."""


class Stack:
    """The processes of the stack. Not thread-safe: used on the main thread."""

    def __init__(
        self,
        layout: Layout,
        *,
        nas_roots: list[Path],
        port: int,
        agents: int,
        over: dict[str, Any],
        notify: Callable[[str], None],
        signals: StopSignals,
    ) -> None:
        self._layout = layout
        self._notify, self._signals = notify, signals
        self._keys = layout.keys()
        self._port = port or free_port()
        self._tree = layout.tree(
            nas_roots=nas_roots, port=self._port, over=over, keys=self._keys, agents=agents
        )
        self._config = validate(self._tree)
        check_former(self._config.storage, layout.config_file("api"))
        self._agent_names = [f"agent-{number + 1}" for number in range(agents)]
        self._broker_port = free_port()
        self._children: list[Child] = []
        self._agents: list[dict[str, Any]] = []

    def start(self) -> None:
        """Start everything. Raises `StartFailed`, or `Stopped` after a signal, and then stops what was
        started."""
        try:
            self._start()
        except BaseException:
            while self._signals.pending():  # the signal that ended the start does not count twice
                self._signals.wait(0)
            self.stop()
            raise

    def _start(self) -> None:
        self._wait_for_port()
        prepare(self._config, self._notify)
        self._check_signals()
        os.environ["PUBSUB_EMULATOR_HOST"] = f"{HOST}:{self._broker_port}"
        broker, *others = self._children = self._made()
        self._start_all([broker], meanwhile=lambda: self._load(others))
        self._provision()
        self._prepare_lease()
        lines = self._start_all(others)
        self._agents = [json.loads(lines[name]) for name in self._agent_names]

    def _made(self) -> list[Child]:
        """The processes, not started: the broker first."""
        arguments = ["--data", str(self._layout.data / "broker"), "--port", str(self._broker_port), "--json"]
        children = [self._child("broker", "embedded.broker", arguments)]
        # The rank orders the standbys.
        trees = {
            name: self._layout.agent_tree(self._tree, name, rank=max(0, number - 1))
            for number, name in enumerate(self._agent_names)
        }
        where = {name: f"http://{HOST}:{tree['health']['port']}" for name, tree in trees.items()}
        api = overlay({"preview": {"agents": where}}, self._tree)
        children.append(self._configured("api", "api.cli", "serve", api, "api.process.serve"))
        for name, tree in trees.items():
            children.append(self._configured(name, "agent.cli", "run", tree, "agent.commands.run"))
        return children

    def _configured(
        self, name: str, module: str, command: str, tree: dict[str, Any], libraries: str
    ) -> Child:
        config = self._layout.write(name, tree)
        return self._child(name, module, [command, "--config", str(config), "--json"], libraries)

    def _load(self, children: list[Child]) -> None:
        """Let the processes load their libraries, and load what provisions the broker."""
        for child in children:
            child.load()
        load(_PROVISION)

    def _start_all(
        self, children: list[Child], meanwhile: Callable[[], None] = lambda: None
    ) -> dict[str, bytes]:
        lines = start_all(
            children,
            timeout=START_SECONDS,
            notify=self._notify,
            signals=self._signals,
            meanwhile=meanwhile,
        )
        self._check_signals()
        return lines

    def _provision(self) -> None:
        load(_PROVISION)(self._config.pubsub.project, topology(self._config), dry_run=False)
        self._check_signals()

    def _wait_for_port(self) -> None:
        """Check the API's port here, because the API's own error would only be in its log."""
        api = self._config.api
        try:
            # This stack has the lock, so processes of a killed stack have exited or are about to.
            patience = Patience(lambda _: None, seconds=PORT_SECONDS, stopped=self._signals.pending)
            wait_for_port(api.host, api.port, patience)
        except StillInUse as error:
            raise StartFailed(
                f"port {api.port} is in use by {error.processes}: stop that first, or choose another --port"
            ) from None

    def _check_signals(self) -> None:
        if self._signals.pending():
            raise Stopped

    def _prepare_lease(self) -> None:
        """Create the lease of a new stack for its first agent, which then need not wait for it to expire."""
        if self._config.ha.mode == "primary-standby":
            prepare_cluster(
                open_coordination_store(self._config),
                self._config.agent.cluster,
                clock=SystemClock(),
                ttl_seconds=self._config.ha.ttl_seconds,
                first=self._agent_names[0],
            )

    def _child(self, name: str, module: str, arguments: list[str], libraries: str = "") -> Child:
        return Child(
            name,
            module,
            arguments,
            environ={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "0"},
            log_file=self._layout.log_file(name),
            notify=self._notify,
            libraries=libraries,
            lock=self._layout.lock,
        )

    def reasons(self) -> dict[str, list[str]]:
        """The problems that each agent reports. Agents that do not answer are omitted: they are being
        restarted."""
        data = str(self._layout.data)
        found: dict[str, list[str]] = {}
        for name in self._agent_names:
            try:
                answer = ask(Path(data, "agents", name), "status", timeout=ASK_SECONDS)
            except NotRunning:
                continue
            # All agents are on the data folder's disk: report one warning for all.
            found[name] = [
                reason.replace(f"{data}/agents/{name}/spool", data).replace(f"{data}/agents/{name}", data)
                for reason in answer.get("reasons", [])
            ]
        return found

    def describe(self) -> dict[str, Any]:
        """The stack's addresses, keys and paths: the `--json` line of `clipping up`."""
        pids = {child.name: child.pid for child in self._children}
        bucket = name_of(self._config.storage)
        return {
            "api_url": self._config.api.public_url,
            "api_key": self._keys.client,
            "admin_key": self._keys.admin,
            "pubsub_emulator_host": f"{HOST}:{self._broker_port}",
            "project": self._config.pubsub.project,
            "agents": [{**agent, "pid": pids[agent["agent_id"]]} for agent in self._agents],
            "pids": {"api": pids["api"], "broker": pids["broker"]},
            "console_url": f"{self._config.api.public_url}/console/",
            "docs_url": f"{self._config.api.public_url}/docs",
            "data": str(self._layout.data),
            **({} if bucket is None else {"store": bucket}),
            "nas_roots": [root.path for root in self._config.agent.nas_roots],
        }

    def stop(self) -> None:
        """Stop the agents, then the API and the broker.

        Agents finish the clips in flight, or return them to the queue after one more signal.
        """
        agents = [child for child in self._children if child.name in self._agent_names]
        self._stop_agents(agents)
        for child in reversed(self._children):
            if child not in agents:
                child.stop(STOP_SECONDS)
        self._children.clear()

    def _stop_agents(self, agents: list[Child]) -> None:
        for agent in agents:
            agent.terminate()
        deadline = time.monotonic() + self._config.ha.drain_seconds + AGENT_EXTRA_SECONDS
        fast = False
        while any(agent.running() for agent in agents) and time.monotonic() < deadline:
            if self._signals.wait(POLL_SECONDS) is None or fast:
                continue
            fast = True
            deadline = min(deadline, time.monotonic() + FAST_STOP_SECONDS)
            self._notify("stopping now: clips in flight are returned to the queue for the next start")
            for agent in agents:
                agent.terminate()
        for agent in agents:
            agent.reap(0)
