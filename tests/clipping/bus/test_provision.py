from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.pubsub_v1.types import Subscription

from clipping.bus.connection import publisher_client, subscriber_client
from clipping.bus.provision import provision
from clipping.bus.topology import Topology, topology
from clipping.config import validate
from clipping.errors import BusUnavailable, ConfigurationError
from tests.clipping.bus.conftest import PROJECT
from tests.support.broker import BrokerProcess


def _wanted(**pubsub: Any) -> Topology:
    return topology(validate({"pubsub": pubsub}))


def _lines(wanted: Topology, *, dry_run: bool = False) -> list[str]:
    return [str(change) for change in provision(PROJECT, wanted, dry_run=dry_run)]


def _subscriptions() -> Mapping[str, Subscription]:
    with subscriber_client() as client:
        found = client.list_subscriptions(project=f"projects/{PROJECT}")
        return {subscription.name.rpartition("/")[2]: subscription for subscription in found}


def _topics() -> set[str]:
    with publisher_client() as client:
        return {topic.name.rpartition("/")[2] for topic in client.list_topics(project=f"projects/{PROJECT}")}


def test_everything_is_created_once(broker: BrokerProcess) -> None:
    first = _lines(_wanted())
    assert "create topic clipping-requests" in first
    assert "create subscription clipping-worker: of clipping-requests" in first
    assert len(first) == 9
    assert _topics() == {
        "clipping-requests",
        "clipping-complete",
        "clipping-progress",
        "clipping-dead-letter",
    }
    worker = _subscriptions()["clipping-worker"]
    assert worker.filter == 'attributes.lane = "interactive"'
    assert worker.ack_deadline_seconds == 60
    assert worker.retry_policy.minimum_backoff.total_seconds() == 10
    assert worker.retry_policy.maximum_backoff.total_seconds() == 600
    assert worker.dead_letter_policy.dead_letter_topic.endswith("/clipping-dead-letter")
    assert worker.dead_letter_policy.max_delivery_attempts == 20
    assert "ttl" not in worker.expiration_policy
    assert _lines(_wanted()) == []


def test_a_dry_run_says_the_same_and_changes_nothing(broker: BrokerProcess) -> None:
    would = _lines(_wanted(), dry_run=True)
    assert _topics() == set()
    assert _subscriptions() == {}
    assert _lines(_wanted()) == would

    changed = _wanted(retry_min_seconds=1)
    before = _subscriptions()
    assert len(_lines(changed, dry_run=True)) == 5
    assert _subscriptions() == before


def test_what_differs_is_mended_and_named(broker: BrokerProcess) -> None:
    _lines(_wanted())
    changed = _wanted(retry_min_seconds=1, max_delivery_attempts=5, lease_seconds=30)
    lines = _lines(changed)
    assert (
        "update subscription clipping-worker: ack_deadline_seconds 60 s -> 30 s, "
        "retry_policy 10..600 s -> 1..600 s, "
        "dead_letter_policy clipping-dead-letter after 20 -> clipping-dead-letter after 5"
    ) in lines
    assert len(lines) == 5
    worker = _subscriptions()["clipping-worker"]
    assert worker.retry_policy.minimum_backoff.total_seconds() == 1
    assert worker.dead_letter_policy.max_delivery_attempts == 5
    assert worker.ack_deadline_seconds == 30
    assert worker.filter == 'attributes.lane = "interactive"'
    assert _lines(changed) == []


def test_pull_becomes_push_and_pull_again(broker: BrokerProcess) -> None:
    _lines(_wanted())
    push = {"audience": "clips", "service_account": "push@p.iam.gserviceaccount.com"}
    pushed = topology(validate({"api": {"public_url": "http://127.0.0.1:9", "push": push}}))
    assert len(_lines(pushed)) == 3
    found = _subscriptions()
    config = found["clipping-api-complete"].push_config
    assert config.push_endpoint == "http://127.0.0.1:9/v1/internal/pubsub"
    assert config.oidc_token.audience == "clips"
    assert config.oidc_token.service_account_email == "push@p.iam.gserviceaccount.com"
    assert not found["clipping-worker"].push_config.push_endpoint
    assert _lines(pushed) == []
    assert len(_lines(_wanted())) == 3
    assert not _subscriptions()["clipping-api-complete"].push_config.push_endpoint


def test_a_filter_that_differs_is_refused_with_the_remedy_and_nothing_is_changed(
    broker: BrokerProcess,
) -> None:
    with publisher_client() as client:
        client.create_topic(name=f"projects/{PROJECT}/topics/clipping-requests")
    with subscriber_client() as client:
        client.create_subscription(
            request={
                "name": f"projects/{PROJECT}/subscriptions/clipping-worker",
                "topic": f"projects/{PROJECT}/topics/clipping-requests",
                "filter": 'attributes.lane = "night"',
            }
        )
    with pytest.raises(ConfigurationError) as refusal:
        _lines(_wanted())
    (problem,) = refusal.value.problems
    assert "has the filter 'attributes.lane = \"night\"'" in problem
    assert "gcloud pubsub subscriptions delete clipping-worker" in problem
    assert _topics() == {"clipping-requests"}
    assert set(_subscriptions()) == {"clipping-worker"}


def test_a_subscription_of_another_topic_is_refused(broker: BrokerProcess) -> None:
    _lines(_wanted())
    with pytest.raises(ConfigurationError, match=r"belongs to .*/clipping-complete, not .*/other"):
        _lines(_wanted(complete_topic="other"))


def test_two_may_provision_at_the_same_time(broker: BrokerProcess) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: _lines(_wanted()), range(4)))
    assert len(_topics()) == 4
    assert len(_subscriptions()) == 5
    assert _lines(_wanted()) == []


def test_a_broker_that_is_gone_is_reported_in_time(broker: BrokerProcess) -> None:
    broker.kill()
    begin = time.monotonic()
    with pytest.raises(BusUnavailable, match=f"{broker.host_port} can't be reached"):
        provision(PROJECT, _wanted(), timeout_seconds=2)
    assert time.monotonic() - begin < 20
