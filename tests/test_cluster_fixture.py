"""The cluster of the fault tests (tests/support/cluster.py) is cleaned up when its construction fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from clipping.errors import ClippingError
from tests.support.broker import BrokerProcess
from tests.support.cluster import Cluster
from tests.support.procs import children_of

INVALID: dict[str, Any] = {"ha": {"ttl_seconds": 1, "deadline_seconds": 2}}


def test_an_invalid_configuration_leaves_no_process(tmp_path: Path) -> None:
    before = children_of(os.getpid())
    with pytest.raises(ClippingError, match="ttl_seconds"):
        Cluster(tmp_path / "cluster", tmp_path, over=INVALID)
    assert children_of(os.getpid()) == before


def test_an_invalid_configuration_leaves_the_callers_broker_running(tmp_path: Path) -> None:
    with BrokerProcess(tmp_path / "broker") as broker:
        with pytest.raises(ClippingError):
            Cluster(tmp_path / "cluster", tmp_path, over=INVALID, broker=broker)
        assert broker.runs
