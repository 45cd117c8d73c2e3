"""`python -m embedded.broker --data DIR`: run the broker until SIGTERM or SIGINT.

Exit codes: 0 stopped by a signal; 1 the data folder is in use or can't be read, or the address is in use;
2 wrong arguments. A signal before it serves stops it immediately: the data on disk is always consistent.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import json
import os
import sqlite3
import sys
from pathlib import Path

from clipping.clock import SystemClock
from clipping.exits import EXIT_FAILED, EXIT_OK
from clipping.log import get_logger, set_up
from clipping.release import Patience
from clipping.signals import STOPPING
from embedded.broker.server import Broker
from embedded.broker.storage.lock import FolderInUse
from embedded.broker.storage.schema import SchemaTooNew

log = get_logger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Returns the exit code."""
    options = _parser().parse_args(arguments)
    set_up(level=options.log_level, identifier="clipping-broker")
    try:
        return asyncio.run(_serve(options))
    except (FolderInUse, SchemaTooNew, OSError, sqlite3.Error) as error:
        print(f"broker: {error}", file=sys.stderr)
        return EXIT_FAILED


async def _serve(options: argparse.Namespace) -> int:
    broker = await Broker.start(
        options.data,
        host=options.host,
        port=options.port,
        certs_port=options.certs_port,
        clock=SystemClock(),
        patience=Patience(lambda sentence: log.warning("start.waiting", reason=sentence)),
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in STOPPING:
        loop.add_signal_handler(number, stopped.set)
    _announce(broker, as_json=options.json)
    await stopped.wait()
    log.info("broker.stopping")
    await broker.stop()
    return EXIT_OK


def _announce(broker: Broker, *, as_json: bool) -> None:
    ready = {"host_port": broker.host_port, "pid": os.getpid(), "certs_url": broker.certs_url}
    line = json.dumps(ready) if as_json else f"PUBSUB_EMULATOR_HOST={broker.host_port}"
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m embedded.broker", description="Google Pub/Sub on this machine, persisted on disk."
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the data folder")
    parser.add_argument(
        "--host", type=_loopback, default="127.0.0.1", help="a loopback address (default: 127.0.0.1)"
    )
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument(
        "--certs-port",
        type=int,
        default=0,
        help="port for the certificates of push tokens; default: a free one",
    )
    parser.add_argument("--json", action="store_true", help="print the addresses as one line of JSON")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    return parser


def _loopback(text: str) -> str:
    """Allow only loopback addresses, because there is no authentication."""
    try:
        if ipaddress.ip_address("127.0.0.1" if text == "localhost" else text).is_loopback:
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a loopback address; the broker has no authentication and serves this machine only"
    )
