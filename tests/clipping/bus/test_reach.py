"""Whether Pub/Sub is there, asked without taking a message."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from clipping.bus.provision import provision
from clipping.bus.reach import Reach
from clipping.bus.topology import topology
from clipping.config import validate
from clipping.errors import BusUnavailable
from tests.support.broker import BrokerProcess


def test_it_answers_and_then_it_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BrokerProcess(tmp_path / "broker") as broker:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
        config = validate({})
        reach = Reach(config.pubsub.project, config.pubsub.worker_subscription)
        with pytest.raises(BusUnavailable, match="clipping-agent provision"):
            reach.look(30)
        provision(config.pubsub.project, topology(config))
        assert reach.look(30) == "answers"
        broker.freeze()
        begun = time.monotonic()
        with pytest.raises(BusUnavailable):
            reach.look(0.5)
        assert time.monotonic() - begun < 10
        broker.thaw()
        assert reach.look(30) == "answers"
        reach.close()
