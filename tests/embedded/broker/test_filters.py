"""The effect of subscription filters on delivery. For the language see test_filter_language."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import InvalidArgument

from tests.embedded.broker.bus import Bus

MESSAGES: dict[bytes, dict[str, str]] = {
    b"batch": {"lane": "batch"},
    b"interactive": {"lane": "interactive"},
    b"no lane": {"priority": "high"},
    b"both": {"lane": "batch", "priority": "high"},
}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('attributes.lane = "batch"', {b"batch", b"both"}),
        ('attributes.lane != "batch"', {b"interactive", b"no lane"}),
        ("attributes:lane", {b"batch", b"interactive", b"both"}),
        ("NOT attributes:lane", {b"no lane"}),
        ("-attributes:lane", {b"no lane"}),
        ('hasPrefix(attributes.lane, "inter")', {b"interactive"}),
        ('attributes.lane = "batch" AND attributes:priority', {b"both"}),
        (
            'attributes.lane = "interactive" OR attributes.priority = "high"',
            {b"interactive", b"no lane", b"both"},
        ),
        ('attributes:priority AND (attributes.lane = "batch" OR NOT attributes:lane)', {b"no lane", b"both"}),
        ('attributes."lane" = "batch"', {b"batch", b"both"}),
        ('attributes.lane = "BATCH"', set()),
    ],
)
def test_only_messages_that_match_the_filter_are_delivered(
    bus: Bus, expression: str, expected: set[bytes]
) -> None:
    topic = bus.topic()
    subscription, unfiltered = bus.subscription(topic, filter=expression), bus.subscription(topic)
    for body, attributes in MESSAGES.items():
        bus.publish(topic, body, **attributes)
    bus.publish(topic, b"last", lane="batch", priority="high")
    expected = expected | ({b"last"} if b"both" in expected else set())
    received = bus.pull(subscription, len(expected))
    assert {message.message.data for message in received} == expected
    bus.assert_quiet(subscription, 0.3)
    assert len(bus.pull(unfiltered, 5)) == 5


@pytest.mark.parametrize(
    "expression",
    [
        'attributes.a = "1" AND attributes.b = "2" OR attributes.c = "3"',
        "attributes.a = attributes.b",
        'attributes.a > "1"',
        'data = "x"',
        'attributes.a = "unterminated',
        'hasSuffix(attributes.a, "x")',
        "attributes:" + "k" * 256,
    ],
)
def test_an_invalid_filter_is_rejected(bus: Bus, expression: str) -> None:
    topic = bus.topic()
    with pytest.raises(InvalidArgument):
        bus.subscription(topic, filter=expression)


def test_a_subscription_returns_its_filter(bus: Bus) -> None:
    _, subscription = bus.pair(filter="attributes:lane")
    assert bus.subscriber.get_subscription(subscription=subscription).filter == "attributes:lane"
