"""Serves an app of the API in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from api.server.serving import Server, bind, url_of


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve the app under waitress, without its background threads. Yields the URL."""
    bound = bind("127.0.0.1", 0)
    server = Server(app, bound, threads=2)
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    yield url_of(bound)
    server.stop()
    thread.join(30)
    assert not thread.is_alive()
