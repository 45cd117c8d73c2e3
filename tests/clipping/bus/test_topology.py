from __future__ import annotations

import pytest

from clipping.bus.topology import PushTarget, topology
from clipping.config import validate
from clipping.errors import ConfigurationError


def test_each_lane_has_a_filtered_subscription_with_a_dead_letter() -> None:
    wanted = topology(validate({}))
    lanes = {spec.name: spec for spec in wanted.subscriptions if spec.topic == "clipping-requests"}
    assert {name: spec.filter for name, spec in lanes.items()} == {
        "clipping-worker": 'attributes.lane = "interactive"',
        "clipping-worker-batch": 'attributes.lane = "batch"',
    }
    for spec in lanes.values():
        assert (spec.dead_letter_topic, spec.max_delivery_attempts) == ("clipping-dead-letter", 20)
        assert (spec.retry_min_seconds, spec.retry_max_seconds) == (10, 600)
        assert spec.ack_deadline_seconds == 60


def test_the_api_has_a_subscription_for_each_topic_it_reads() -> None:
    wanted = topology(validate({"pubsub": {"api_subscription_prefix": "desk"}}))
    assert {spec.name: spec.topic for spec in wanted.subscriptions if spec.name.startswith("desk")} == {
        "desk-complete": "clipping-complete",
        "desk-progress": "clipping-progress",
        "desk-dead-letter": "clipping-dead-letter",
    }


def test_every_topic_that_a_subscription_names_exists() -> None:
    wanted = topology(validate({}))
    named = {spec.topic for spec in wanted.subscriptions}
    named |= {spec.dead_letter_topic for spec in wanted.subscriptions if spec.dead_letter_topic}
    assert named == set(wanted.topics)


def test_with_push_the_apis_subscriptions_are_pushed_and_the_lanes_pulled() -> None:
    push = {"audience": "clips", "service_account": "push@p.iam.gserviceaccount.com"}
    wanted = topology(validate({"api": {"public_url": "https://clips.example/", "push": push}}))
    target = PushTarget("https://clips.example/v1/internal/pubsub", "clips", "push@p.iam.gserviceaccount.com")
    for spec in wanted.subscriptions:
        assert spec.push == (target if spec.name.startswith("clipping-api") else None)


def test_the_configuration_sets_retries_attempts_and_leases() -> None:
    keys = {"retry_min_seconds": 0, "retry_max_seconds": 2, "max_delivery_attempts": 5, "lease_seconds": 10}
    for spec in topology(validate({"pubsub": keys})).subscriptions:
        assert (spec.retry_min_seconds, spec.retry_max_seconds, spec.ack_deadline_seconds) == (0, 2, 10)
        if spec.dead_letter_topic:
            assert spec.max_delivery_attempts == 5


def test_a_shortest_retry_above_the_longest_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="retry_min_seconds"):
        validate({"pubsub": {"retry_min_seconds": 20, "retry_max_seconds": 10}})
