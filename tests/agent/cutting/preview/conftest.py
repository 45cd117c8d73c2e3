"""One set of previews for all tests of a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.cutting.preview import Previews
from agent.cutting.process.client import ForkServer, engine_server


@pytest.fixture(scope="session")
def server() -> Iterator[ForkServer]:
    """A started fork server."""
    server = engine_server(2)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def previews(server: ForkServer) -> Iterator[Previews]:
    """Previews with the default settings."""
    previews = Previews(server)
    yield previews
    previews.close()
