"""An API in this process, with callers that have places of their own in its store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from api.app import create_app
from api.db import schema
from api.db.tables import Clip
from api.http.connection_handover import ENVIRON_KEY
from api.services import Services
from clipping.config import Config, overlay, validate
from clipping.store.layout import output_key
from clipping.store.owners import OwnerStores
from clipping.store.port import Store
from tests.api.api_process import key
from tests.api.messages import completed
from tests.api.rows import get, put, put_reel, report

DAY = timedelta(days=1)
KEYS = (("ada", "client"), ("bob", "client"), ("eve", "client"), ("ADA", "client"), ("ops", "admin"))
"""Callers, and their roles."""


@dataclass
class Service:
    """The API, and the stores as agents use them."""

    client: FlaskClient
    parts: Services
    folder: Path
    config: Config
    tokens: dict[str, str] = field(default_factory=dict)
    """Of callers that have no key."""
    stores: OwnerStores = field(init=False)

    def __post_init__(self) -> None:
        self.stores = OwnerStores(self.config, self.parts.store)

    def completed(
        self, owner: str, *, short: bool = False, reel: bool = False, store: Store | None = None
    ) -> str:
        """A request whose result is where the configuration says."""
        if reel:
            request_id, hand_id = put_reel(self.parts.database, owner=owner), "reel-1"
        else:
            shape: dict[str, Any] = {"output": {"aspect": "9:16"}, "mode": "encode"} if short else {}
            request_id, hand_id = put(self.parts.database, owner=owner, **shape), "hand-1"
        where = output_key(request_id, hand_id, "mp4", short=short)
        source = self.folder / request_id
        source.write_text(f"clip of {owner}")
        at = store or self.stores.of(owner)
        at.create(where, source, content_type="video/mp4", metadata={"request_id": request_id})
        link = at.sign(where, filename=f"{hand_id}.mp4", seconds=7 * 86_400)
        fields = {"hand_id": hand_id, "output_uri": at.uri(where), "download_url": link.url}
        end = completed(request_id=request_id, download_url_expires_at=link.expires_at, **fields)
        report(self.parts.database, end, at=datetime.now(UTC))
        return request_id

    def call(self, owner: str, method: str, path: str, **named: Any) -> TestResponse:
        credential = self.tokens.get(owner, f"key-{owner}")
        headers = {"Authorization": f"Bearer {credential}", **named.pop("headers", {})}
        # Event streams leave their connections to the server, which is not there.
        environ = {ENVIRON_KEY: lambda _: None}
        return self.client.open(
            path, method=method, headers=headers, buffered=True, environ_overrides=environ, **named
        )

    def get(self, request_id: str, what: str, owner: str) -> TestResponse:
        return self.call(owner, "GET", f"/v1/{request_id.split('-')[0]}/{request_id}/{what}")

    def fetch(self, link: str) -> str:
        parts = urlsplit(link)
        answer = self.client.get(f"{parts.path}?{parts.query}", buffered=True)
        assert answer.status_code == 200, answer.text
        return answer.text

    def has_new_link(self, request_id: str) -> bool:
        """Whether the API has signed one."""
        return get(self.parts.database, request_id).link_url is not None

    def make_link_due(self, request_id: str) -> None:
        """Let the agent's link have an hour left."""
        now = datetime.now(UTC)
        times = {"link_signed_at": now - 6 * DAY, "link_expires_at": now + timedelta(hours=1)}
        with self.parts.database.write() as session:
            session.execute(update(Clip).where(Clip.request_id == request_id).values(**times))


@contextmanager
def service(
    folder: Path,
    owners: dict[str, Any],
    *,
    over: dict[str, Any] | None = None,
    roots: dict[str, list[str]] | None = None,
    **storage: Any,
) -> Iterator[Service]:
    """`over`: more of the configuration. `roots`: of the keys that are limited to some."""
    limited = {name: {"roots": own} for name, own in (roots or {}).items()}
    tree = {
        "storage": {"path": str(folder / "store"), **storage},
        "owners": owners,
        "limits": {"requests_per_minute": 0},
        "api": {
            "database_url": f"sqlite:///{folder}/x.db",
            "keys": [key(name, role, f"key-{name}") | limited.get(name, {}) for name, role in KEYS],
        },
    }
    config = validate(overlay(tree, over or {}))
    app = create_app(config)
    parts: Services = app.extensions["clipping"]
    schema.migrate(parts.database)
    try:
        yield Service(app.test_client(), parts, folder, config)
    finally:
        parts.database.close()
