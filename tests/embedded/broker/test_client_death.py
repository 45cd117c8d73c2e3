"""A client is killed: its messages are redelivered to another after their deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.embedded.broker.bus import PATIENCE_SECONDS, Bus
from tests.support.waiting import eventually

CLIENT = """
import sys, time
from google.cloud import pubsub_v1
def hold(message):
    print(message.data.decode(), flush=True)
    time.sleep(600)
pubsub_v1.SubscriberClient().subscribe(sys.argv[1], hold).result()
"""


def start_client(host_port: str, subscription: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, subscription],
        env=os.environ | {"PUBSUB_EMULATOR_HOST": host_port},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_dead_clients_message_is_redelivered_after_its_deadline(
    bus: Bus, host_port: str, number: signal.Signals
) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=10)
    client = start_client(host_port, subscription)
    assert client.stdout is not None
    try:
        bus.publish(topic, b"leased by the dead client")
        assert client.stdout.readline() == "leased by the dead client\n"
        client.send_signal(number)
        died = time.monotonic()
        # The stream had leased it for at least ten seconds, starting before the kill.
        bus.assert_quiet(subscription, 3)
        (received,) = bus.pull(subscription, within=2 * PATIENCE_SECONDS)
        assert received.message.data == b"leased by the dead client"
        assert time.monotonic() - died < 2 * PATIENCE_SECONDS
    finally:
        client.kill()
        client.wait(30)
        client.stdout.close()


def test_messages_published_after_a_clients_death_reach_live_clients(bus: Bus, host_port: str) -> None:
    topic, subscription = bus.pair(ack_deadline_seconds=600)
    client = start_client(host_port, subscription)
    assert client.stdout is not None
    try:
        bus.publish(topic, b"hello")
        assert client.stdout.readline() == "hello\n"
    finally:
        client.kill()
        client.wait(30)
        client.stdout.close()

    def arrives_at_the_live_client() -> bool:
        # Until the broken connection is detected, a message may be leased to the dead client for ten minutes.
        bus.publish(topic, b"for the live client")
        return bool(bus.pull_now(subscription))

    eventually(arrives_at_the_live_client, every=0.5, within=PATIENCE_SECONDS)
