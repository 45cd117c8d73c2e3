"""Pulls a subscription and acknowledges its messages: `python -m bench.load.consumer PROJECT SUBSCRIPTION N`.

The control of `bench.progress`: the client library alone, without a database.
"""

from __future__ import annotations

import signal
import sys
import threading

from google.cloud.pubsub_v1.subscriber.message import Message

from clipping.bus.connection import subscriber_client


def main() -> int:
    """Pull until SIGTERM. Prints a line when it is ready, and one when it has received N messages."""
    project, subscription, count = sys.argv[1:]
    stop, taken = threading.Event(), threading.Semaphore(0)

    def acknowledge(message: Message) -> None:
        message.ack()
        taken.release()

    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with subscriber_client() as client:
        future = client.subscribe(f"projects/{project}/subscriptions/{subscription}", callback=acknowledge)
        print("ready", flush=True)
        for _ in range(int(count)):
            while not taken.acquire(timeout=0.5):
                if stop.is_set():
                    return 1
        print(count, flush=True)
        stop.wait()
        future.cancel()
        future.result(30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
