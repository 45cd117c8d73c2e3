"""The brokers under test: each test that asks for `bus` runs against every one that this machine has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.broker.bus import Bus
from tests.embedded.broker.differences import KNOWN_DIFFERENCES
from tests.support.broker import BrokerProcess
from tests.support.google_emulator import GoogleEmulator, find_google_emulator


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        name = metafunc.function.__name__
        google = [pytest.mark.xdist_group("google")]
        if name in KNOWN_DIFFERENCES:
            google.append(pytest.mark.xfail(reason=f"Google's emulator: {KNOWN_DIFFERENCES[name]}"))
        metafunc.parametrize("target", ["embedded", pytest.param("google", marks=google)], scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Only this deprecated flag of a pull asks for "what there is now", which tests want to know.
        item.add_marker(pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning"))


@pytest.fixture(scope="session")
def host_port(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker that tests share: each makes its own topics."""
    if target == "embedded":
        with BrokerProcess(tmp_path_factory.mktemp("broker") / "data") as broker:
            yield broker.host_port
        return
    program = find_google_emulator()
    if program is None:
        pytest.skip("Google's emulator is not installed")
    with GoogleEmulator(program) as emulator:
        yield emulator.host_port


@pytest.fixture
def bus(host_port: str) -> Iterator[Bus]:
    """Clients of the broker under test."""
    clients = Bus(host_port)
    yield clients
    clients.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerProcess]:
    """An embedded broker of the test's own, to be killed."""
    with BrokerProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture
def own_bus(broker: BrokerProcess) -> Iterator[Bus]:
    """Clients of the test's own broker. They outlive its restarts."""
    clients = Bus(broker.host_port)
    yield clients
    clients.close()
