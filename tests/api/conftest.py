"""One broker for all tests; an API for each file that only reads, or for each test that wants its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.process import ApiProcess, emulator_host
from tests.support.broker import BrokerProcess

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
