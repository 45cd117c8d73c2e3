"""The brokers under test: each test that uses `bus` runs against every broker on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.broker.bus import Bus
from tests.embedded.broker.differences import KNOWN_DIFFERENCES, NEVER_COMES
from tests.support.broker import BrokerProcess
from tests.support.google_emulator import GoogleEmulator, find_google_emulator

EMBEDDED, GOOGLE = "embedded", "google"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", [EMBEDDED, GOOGLE], scope="session")


@pytest.hookimpl(tryfirst=True)  # before pytest deselects slow tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Only this deprecated flag of a pull returns the messages that are ready now, which tests need.
        item.add_marker(pytest.mark.filterwarnings("ignore:The return_immediately flag:DeprecationWarning"))
        if isinstance(item, pytest.Function) and _target_of(item) == GOOGLE:
            item.add_marker(pytest.mark.slow)  # the fast tests run against the embedded broker only
            reason = _known_difference(item)
            if reason is not None:
                run = reason not in NEVER_COMES
                item.add_marker(pytest.mark.xfail(reason=f"Google's emulator: {reason}", run=run))


def _target_of(item: pytest.Function) -> str | None:
    return item.callspec.params.get("target") if hasattr(item, "callspec") else None


def _known_difference(item: pytest.Function) -> str | None:
    one_case = item.name.replace(f"{GOOGLE}-", "")
    return KNOWN_DIFFERENCES.get(one_case) or KNOWN_DIFFERENCES.get(item.originalname)


@pytest.fixture(scope="session")
def host_port(target: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker shared by the tests, which each create their own topics."""
    if target == EMBEDDED:
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
    """A separate embedded broker, which the test can kill."""
    with BrokerProcess(tmp_path / "data") as process:
        yield process


@pytest.fixture
def own_bus(broker: BrokerProcess) -> Iterator[Bus]:
    """Clients of the separate broker. They survive its restarts."""
    clients = Bus(broker.host_port)
    yield clients
    clients.close()
