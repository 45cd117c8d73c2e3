"""The services that the routes use, and the background threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from api.auth.callers import Authenticator
from api.auth.oidc import PushVerifier
from api.catalog.catalogue import Catalogue
from api.clips.accept import Acceptor
from api.clips.committer import Committer
from api.clips.links import Links
from api.clips.uploads import Uploads
from api.cluster.agents import AgentsWatch
from api.cluster.coordination import Coordination
from api.cluster.failovers import Failovers
from api.cluster.takeovers import History
from api.db.engine import Database
from api.events.hub import Hub
from api.http.metrics import Metrics
from api.messaging.agent_messages import Ingest
from api.messaging.outbox_publisher import OutboxPublisher
from api.messaging.periodic import Chores
from api.messaging.subscriptions import Consumers
from api.preview.agents import PreviewAgents
from clipping.bus.publisher import Publisher
from clipping.clock import Clock
from clipping.config import Config
from clipping.contract.preview_keys import PreviewKeys
from clipping.store.port import Store

_EXTENSION = "clipping"


@dataclass(frozen=True)
class Services:
    """The services of one process. The server that runs the app calls `start` and `stop`, once each."""

    config: Config
    clock: Clock
    database: Database
    store: Store
    links: Links
    uploads: Uploads
    coordination: Coordination
    """The agents' documents in the store."""
    failovers: Failovers
    takeovers: History
    publisher: Publisher
    outbox: OutboxPublisher
    committer: Committer
    chores: Chores
    ingest: Ingest
    acceptor: Acceptor
    authenticator: Authenticator
    agents: AgentsWatch
    events: Hub
    metrics: Metrics
    consumers: Consumers | None
    """Pulls the agents' messages; None when Pub/Sub pushes them."""
    push_verifier: PushVerifier | None
    preview_keys: PreviewKeys | None
    """None: previews are disabled."""
    previews: PreviewAgents
    catalogue: Catalogue

    def start(self) -> None:
        """Start the threads: outbox, commits, periodic tasks, event streams and the agents' messages."""
        self.outbox.start()
        self.committer.start()
        self.chores.start()
        self.events.start()
        if self.consumers is not None:
            self.consumers.start()

    def stop(self, timeout: float) -> None:
        """Finish the work in flight within about `timeout` seconds; the rest waits in the database."""
        self.events.stop(timeout / 4)
        self.committer.stop(timeout / 4)
        if self.consumers is not None:
            self.consumers.stop(timeout / 2)
        self.chores.stop(timeout / 4)
        self.outbox.stop(timeout / 4)
        self.agents.close()
        self.previews.close()
        self.catalogue.close()
        self.coordination.close()
        self.publisher.close(1.0)
        self.database.close()


def services() -> Services:
    """The services of the app that serves the current request."""
    return cast(Services, current_app.extensions[_EXTENSION])
