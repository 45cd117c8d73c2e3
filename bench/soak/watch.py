"""Observes the running cluster: the leader, the lease's epochs, and the store's objects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

import requests

from bench.soak.judge import Leading
from clipping.contract.cluster import BrokenDocument, Lease, lease_key
from clipping.errors import StoreUnavailable
from clipping.store.layout import FOLDERS
from clipping.store.port import Store
from tests.support.agent_node import AgentNode
from tests.support.cluster import CLUSTER

POLL_SECONDS = 0.4
LEASE_SECONDS = 0.2
LIST_SECONDS = 10.0
HTTP_SECONDS = 30.0
"""Longer than a freeze, to receive the late response of a former leader."""


class Watch:
    """The observer. Its threads run from construction to `close`."""

    def __init__(self, agents: list[AgentNode], store: Store) -> None:
        self.leading: list[Leading] = []
        self.epochs: list[int] = []
        self.versions: dict[str, set[str]] = {}
        self.led_seconds = 0.0
        self._store = store
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [self._thread(partial(self._poll, node), POLL_SECONDS) for node in agents]
        self._threads.append(self._thread(self._read_lease, LEASE_SECONDS))
        self._threads.append(self._thread(self.list_clips, LIST_SECONDS))

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(HTTP_SECONDS + 5)

    def list_clips(self) -> None:
        """Record the version of every clip in the store. Raises `StoreUnavailable`."""
        for folder in FOLDERS:
            self._list(f"{folder}/")

    def _list(self, prefix: str) -> None:
        cursor = None
        while True:
            page = self._store.list(prefix, cursor=cursor)
            for info in page.objects:
                self.versions.setdefault(info.key, set()).add(info.version)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _thread(self, poll: Callable[[], None], seconds: float) -> threading.Thread:
        def run() -> None:
            while not self._stop.wait(seconds):
                try:
                    poll()
                except (StoreUnavailable, BrokenDocument, requests.RequestException):
                    continue  # caused by a fault

        thread = threading.Thread(target=run, name="watch", daemon=True)
        thread.start()
        return thread

    def _poll(self, node: AgentNode) -> None:
        asked = time.monotonic()
        answer = requests.get(f"{node.url}/health/active", timeout=HTTP_SECONDS)
        answered = time.monotonic()
        if answer.status_code != 200:
            return
        seen = Leading(asked, answered, node.name, int(answer.json()["epoch"]))
        with self._lock:
            last = self.leading[-1].answered if self.leading else answered
            self.led_seconds += min(answered - last, 2 * POLL_SECONDS)
            self.leading.append(seen)

    def _read_lease(self) -> None:
        found = self._store.get(lease_key(CLUSTER))
        if found is None:
            return
        epoch = Lease.from_json(found[0]).epoch
        if not self.epochs or self.epochs[-1] != epoch:
            self.epochs.append(epoch)
