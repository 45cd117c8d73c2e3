"""The composition root of the service."""

from __future__ import annotations

from typing import Any, get_args

from flask import Flask

from api.auth import access as auth
from api.auth.callers import Authenticator
from api.auth.limits import RateLimiter
from api.auth.oidc import PushVerifier
from api.catalog.catalogue import Catalogue
from api.catalog.reader import Reader
from api.clips.accept import Acceptor
from api.clips.committer import Committer
from api.clips.estimates import Estimator
from api.clips.links import Links
from api.clips.recordings import RecordingIds
from api.clips.uploads import Uploads
from api.cluster.agents import AgentsWatch
from api.cluster.coordination import Coordination
from api.cluster.failovers import Failovers
from api.cluster.takeovers import History
from api.db.engine import Database
from api.db.outbox import REQUESTS
from api.docs.recordings import recordings_of
from api.domain.retention import Retention
from api.events.hub import Hub
from api.http import audit, cors, headers, problems
from api.http.metrics import Metrics
from api.messaging.agent_messages import KINDS, Ingest
from api.messaging.janitor import Janitor
from api.messaging.outbox_publisher import OutboxPublisher, to_pubsub
from api.messaging.periodic import Chore, Chores
from api.messaging.subscriptions import Consumers
from api.messaging.sweeper import Sweeper
from api.messaging.upload_janitor import UploadJanitor
from api.preview.agents import PreviewAgents
from api.routes import (
    accept,
    admin,
    clips,
    docs,
    events,
    feed,
    files,
    health,
    index,
    internal,
    lists,
    metrics,
    preview,
    recordings,
    retry,
    uploads,
)
from api.services import Services
from clipping.bus.publisher import Publisher
from clipping.clock import SystemClock
from clipping.config import Config
from clipping.contract.choices import Kind
from clipping.contract.preview_keys import read_preview_keys
from clipping.store.open import open_coordination_store, open_store
from clipping.store.owners import OwnerStores
from console import files as console

_OWN_THREADS = 6
"""Threads that use the database in addition to requests and messages: commits, the outbox, periodic tasks,
and the one that is reserved for health checks."""


_PREVIEW_SHARE = 2
"""Of the threads for requests, one in this many may be passing on previews."""


def create_app(config: Config) -> Flask:
    """The app with its services not started: the server that runs it calls `services.start` and `stop`.

    Opens no connection, so that a server may fork afterwards. Raises `ConfigurationError`.
    """
    app = Flask("api", static_folder=None)
    app.extensions["clipping"] = parts = build_services(config)
    auth.install(
        app, auth.Door(parts.authenticator, RateLimiter(config.limits.requests_per_minute, parts.clock))
    )
    app.extensions[docs.RECORDINGS] = recordings_of(config)
    headers.install(app, https=config.api.public_url.startswith("https://"))
    parts.metrics.install(app)
    audit.install(app)
    cors.install(app, config.api.cors_origins)
    problems.install(app)
    pages = (index, docs, health, metrics, internal)
    for routes in (*pages, accept, feed, lists, files, uploads, admin, preview, recordings):
        app.register_blueprint(routes.blueprint)
    app.register_blueprint(console.blueprint())
    for kind in get_args(Kind):
        for own in (clips.blueprint, events.blueprint, retry.blueprint):
            at: dict[str, Any] = {"url_prefix": f"/v1/{kind}", "url_defaults": {"kind": kind}}
            app.register_blueprint(own, name=f"{kind}_{own.name}", **at)
    return app


def build_services(config: Config) -> Services:
    """The services of one process. Raises `ConfigurationError`."""
    clock = SystemClock()
    pool = config.api.database_pool or config.api.threads + len(KINDS) + _OWN_THREADS
    database = Database(config.api.database_url, connections=pool)
    publisher = Publisher(config.pubsub.project, timeout_seconds=config.pubsub.publish_timeout_seconds)
    measures = Metrics(database, clock)
    ingest = Ingest(database, clock, on_retry=measures.retried)
    senders = {REQUESTS: to_pubsub(publisher, config.pubsub.requests_topic)}
    outbox = OutboxPublisher(database, senders, clock)
    retention = Retention.of(config)
    committer = Committer(
        database, outbox, clock, shorts_per_day=config.limits.shorts_per_day, retention=retention
    )
    store = open_store(config)
    stores = OwnerStores(config, store)
    uploads = Uploads(config, clock, stores)
    push, preview_keys = config.api.push, read_preview_keys(config.preview.key)
    links = Links(retention, database=database, stores=stores, clock=clock, ids=preview_keys)
    janitor = Janitor(retention, database=database, stores=stores, clock=clock, count=measures.swept)
    coordination = Coordination(
        open_coordination_store(config),
        config.agent.cluster,
        has_leader=config.ha.mode == "primary-standby",
    )
    failovers = Failovers(database, coordination, clock, cluster=config.agent.cluster, ha=config.ha)
    takeovers = History(database, coordination, clock, cluster=config.agent.cluster)
    agents = AgentsWatch(coordination, clock)
    sweeper = Sweeper(
        config,
        database=database,
        outbox=outbox,
        store=store,
        clock=clock,
        held_up=lambda: agents.now().held_up,
    )
    return Services(
        config=config,
        clock=clock,
        database=database,
        store=store,
        links=links,
        uploads=uploads,
        coordination=coordination,
        failovers=failovers,
        takeovers=takeovers,
        publisher=publisher,
        outbox=outbox,
        committer=committer,
        chores=Chores(
            _chores(config, sweeper, failovers, takeovers, janitor, UploadJanitor(config, stores, clock)),
            clock,
        ),
        ingest=ingest,
        acceptor=Acceptor(
            config,
            clock,
            database,
            committer,
            Estimator(database, clock),
            uploads,
            RecordingIds(preview_keys, config.agent.nas_roots),
        ),
        authenticator=Authenticator(config.api, clock),
        agents=agents,
        events=Hub(
            database,
            clock,
            status=links.status,
            limit=config.api.event_streams,
            limit_per_caller=config.api.event_streams_per_caller,
            on_count=measures.streams.set,
        ),
        metrics=measures,
        consumers=None if push else Consumers(config.pubsub, ingest),
        push_verifier=PushVerifier(push, clock) if push else None,
        preview_keys=preview_keys,
        previews=PreviewAgents(
            config.preview.agents,
            lambda: agents.now().leader,
            calls=max(1, config.api.threads // _PREVIEW_SHARE),
        ),
        catalogue=Catalogue(coordination, Reader(store, config.agent.cluster), clock),
    )


def _chores(
    config: Config,
    sweeper: Sweeper,
    failovers: Failovers,
    takeovers: History,
    janitor: Janitor,
    uploads: UploadJanitor,
) -> list[Chore]:
    often = min(15.0, config.limits.lost_after_seconds / 4)
    return [
        Chore("silent requests", often, sweeper.sweep),
        Chore("failovers", 10.0, failovers.tidy),
        Chore("takeovers", 30.0, takeovers.tidy),
        Chore("expired objects", 60.0, janitor.sweep),
        Chore("old uploads", 600.0, uploads.sweep),
        Chore("old rows", 600.0, sweeper.clean),
    ]
