"""An app of the API's in this process, behind the server that it runs on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from api.server.serving import Server, bind, url_of


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """The app, without its own threads, under waitress in this process."""
    bound = bind("127.0.0.1", 0)
    server = Server(app, bound, threads=2)
    thread = threading.Thread(target=server.run, name="server", daemon=True)
    thread.start()
    yield url_of(bound)
    server.stop()
    thread.join(30)
    assert not thread.is_alive()
