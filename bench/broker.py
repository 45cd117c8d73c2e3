"""The embedded broker compared with Google's emulator: throughput and latency, with the same client and load.

    python -m bench.broker [--messages N]

Each server runs in its own process, and each measurement in a new process with the official client at its
default settings, on a new topic and subscription:

- publish: N messages of 300 bytes, until the last is confirmed;
- deliver: a backlog of N through one streaming pull, until the callback has acknowledged all;
- latency: from before `publish` to the callback, one message at a time, on an idle subscription.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.broker import BrokerProcess
from tests.support.google_emulator import GoogleEmulator, find_google_emulator

PROJECT = "bench-project"
PAYLOAD = b"x" * 300
LATENCY_MESSAGES = 1000
LIMIT_SECONDS = 120.0
"""Time limit of one measurement; a rate then counts the messages delivered."""

Figures = dict[str, float]
ROWS = (
    ("start", "s", -1),
    ("publish", "messages/s", 1),
    ("deliver", "messages/s", 1),
    ("latency p50", "ms", -1),
    ("latency p99", "ms", -1),
)
"""Name, unit, and whether higher (1) or lower (-1) is better."""


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m bench.broker", description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=10_000, metavar="N")
    parser.add_argument("--measure", metavar="HOST:PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.messages)))
        return 0
    ours, theirs = _embedded(options.messages), _google(options.messages)
    print_table(ours, theirs, options.messages)
    return 0


def _embedded(messages: int) -> Figures:
    with tempfile.TemporaryDirectory(prefix="bench-broker-") as folder:
        begin = time.monotonic()
        with BrokerProcess(Path(folder) / "data") as broker:
            return {"start": time.monotonic() - begin, **_in_fresh_process(broker.host_port, messages)}


def _google(messages: int) -> Figures | None:
    program = find_google_emulator()
    if program is None:
        print("Google's emulator is not installed: measuring the embedded broker only")
        return None
    begin = time.monotonic()
    with GoogleEmulator(program) as emulator:
        return {"start": time.monotonic() - begin, **_in_fresh_process(emulator.host_port, messages)}


def _in_fresh_process(host_port: str, messages: int) -> Figures:
    command = [sys.executable, "-m", "bench.broker", "--measure", host_port, "--messages", str(messages)]
    done = subprocess.run(
        command,
        env=os.environ | {"PUBSUB_EMULATOR_HOST": host_port},
        stdout=subprocess.PIPE,
        timeout=5 * LIMIT_SECONDS,
        check=True,
    )
    figures: Figures = json.loads(done.stdout)
    return figures


def measure(host_port: str, messages: int) -> Figures:
    """All figures of the server in PUBSUB_EMULATOR_HOST, after a warm-up, which a JVM needs."""
    from google.cloud import pubsub_v1  # imported here: it takes seconds, and the parent does not use it

    assert os.environ["PUBSUB_EMULATOR_HOST"] == host_port
    logging.disable(logging.CRITICAL)
    _publish_and_deliver(pubsub_v1, max(messages // 4, 1))
    publish, deliver = _publish_and_deliver(pubsub_v1, messages)
    _latencies(pubsub_v1, LATENCY_MESSAGES // 10)
    latencies = sorted(_latencies(pubsub_v1, LATENCY_MESSAGES))
    return {
        "publish": publish,
        "deliver": deliver,
        "latency p50": latencies[len(latencies) // 2] * 1000,
        "latency p99": latencies[len(latencies) * 99 // 100] * 1000,
    }


def _publish_and_deliver(pubsub: Any, messages: int) -> tuple[float, float]:
    topic, subscription, subscriber = _fresh(pubsub)
    publisher = pubsub.PublisherClient()
    begin = time.perf_counter()
    futures = [publisher.publish(topic, PAYLOAD, kind="bench") for _ in range(messages)]
    for future in futures:
        future.result(LIMIT_SECONDS)
    published = time.perf_counter() - begin

    seen: set[str] = set()
    complete = threading.Event()

    def receive(message: Any) -> None:
        message.ack()
        seen.add(message.message_id)
        if len(seen) == messages:
            complete.set()

    begin = time.perf_counter()
    _while_receiving(subscriber, subscription, receive, lambda: complete.wait(LIMIT_SECONDS))
    return messages / published, len(seen) / (time.perf_counter() - begin)


def _latencies(pubsub: Any, messages: int) -> list[float]:
    """Seconds from `publish` to the callback."""
    topic, subscription, subscriber = _fresh(pubsub)
    publisher = pubsub.PublisherClient(pubsub.types.BatchSettings(max_messages=1))
    arrived = threading.Event()
    latencies: list[float] = []

    def receive(message: Any) -> None:
        latencies.append(time.perf_counter() - float(message.attributes["sent"]))
        message.ack()
        arrived.set()

    def send() -> None:
        for _ in range(messages):
            arrived.clear()
            publisher.publish(topic, PAYLOAD, sent=str(time.perf_counter()))
            arrived.wait(LIMIT_SECONDS)
            # An idle subscription, not a busy loop: acknowledgements are sent before the next message.
            time.sleep(0.002)

    _while_receiving(subscriber, subscription, receive, send)
    return latencies


def _fresh(pubsub: Any) -> tuple[str, str, Any]:
    name = f"bench-{uuid.uuid4().hex[:12]}"
    topic, subscription = f"projects/{PROJECT}/topics/{name}", f"projects/{PROJECT}/subscriptions/{name}"
    pubsub.PublisherClient().create_topic(name=topic)
    subscriber = pubsub.SubscriberClient()
    subscriber.create_subscription(name=subscription, topic=topic)
    return topic, subscription, subscriber


def _while_receiving(
    subscriber: Any, subscription: str, receive: Callable[[Any], None], act: Callable[[], object]
) -> None:
    pulling = subscriber.subscribe(subscription, receive)
    try:
        act()
    finally:
        pulling.cancel()
        pulling.result(LIMIT_SECONDS)


def print_table(ours: Figures, theirs: Figures | None, messages: int) -> None:
    """Print one row per figure. A ratio above 1 means that the embedded broker is better by that factor."""
    print(f"{messages} messages of {len(PAYLOAD)} bytes")
    print(f"{'':14}{'embedded':>12}{'Google':>12}{'':14}{'ratio':>8}")
    for name, unit, better in ROWS:
        line = f"{name:14}{ours[name]:12.2f}"
        if theirs is None:
            line += f"{'-':>12}  {unit:12}"
        else:
            ratio = (ours[name] / theirs[name]) ** better
            line += f"{theirs[name]:12.2f}  {unit:12}{ratio:7.1f}x"
        print(line)


if __name__ == "__main__":
    sys.exit(main())
