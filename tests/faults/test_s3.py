"""An S3-compatible store that fails now and then."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
import requests

from tests.support.cluster import Cluster
from tests.support.http_proxy import EveryTenth, HttpProxy
from tests.support.seaweed import Seaweed

pytestmark = [pytest.mark.faults, pytest.mark.slow]


def test_a_store_fails_every_tenth_request(clusters: Callable[..., Cluster], seaweed: Seaweed) -> None:
    storage = {**seaweed.storage(), "public_endpoint": seaweed.url}
    with HttpProxy(seaweed.host_port) as first, HttpProxy(seaweed.host_port) as second:
        faults = EveryTenth(first), EveryTenth(second)
        each = {n: {"storage": {"endpoint": proxy.url}} for n, proxy in enumerate((first, second))}
        cluster = clusters(over={"storage": storage}, each=each)
        for begin in range(20):
            cluster.ask(start_seconds=begin, end_seconds=begin + 3)
        for request_id in cluster.asked:
            status = cluster.wait(request_id, within=120)
            assert status["status"] == "completed", status
            answer = requests.get(status["download_url"], timeout=60)
            assert hashlib.sha256(answer.content).hexdigest() == status["sha256"]
        failed = faults[0].failed + faults[1].failed
        assert {("PUT", "reset afterwards"), ("PUT", "503"), ("HEAD", "500"), ("GET", "503")} <= set(failed)
        cluster.settle()
