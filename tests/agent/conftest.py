"""Fixtures shared by the agent's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cutting import Engine, EngineSettings
from tests.agent.bench import Bench
from tests.support.broker import BrokerProcess


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(EngineSettings())
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def broker(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def bench(
    tmp_path: Path, engine: Engine, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    bench = Bench(tmp_path, engine)
    yield bench
    bench.close()
