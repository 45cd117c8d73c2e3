"""The broker: opens its data folder, serves, and shuts down gracefully."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import grpc.aio

from clipping.clock import Clock
from clipping.release import IMPATIENT, Patience
from embedded.broker.delivery.exchange import Exchange
from embedded.broker.delivery.registry import Registry
from embedded.broker.delivery.upkeep import flush, flush_forever, sweep_forever
from embedded.broker.grpc.publisher import Publisher
from embedded.broker.grpc.subscriber import Subscriber
from embedded.broker.grpc.subscriptions import Subscriptions
from embedded.broker.push.certificates import PATH, CertificateServer
from embedded.broker.push.oidc import TokenSigner
from embedded.broker.push.push import PushSender
from embedded.broker.storage.lock import FolderLock
from embedded.broker.storage.storage import Storage
from embedded.broker.tasks import spawn

_MAX_REQUEST_BYTES = 16 << 20
"""Above Google's 10 MB for a publish request, so that the broker itself rejects larger ones, with a
reason."""
_MAX_CONCURRENT_RPCS = 4000
_STOP_GRACE_SECONDS = 1.0

_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),
    # Close a frozen client's stream before the shortest lease (10 s) expires. Otherwise its own message would
    # be redelivered to it, for as long as its stream's deadline.
    ("grpc.keepalive_time_ms", 3_000),
    ("grpc.keepalive_timeout_ms", 4_000),
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.max_ping_strikes", 0),
    # Two brokers on one port would each get a random share of the connections.
    ("grpc.so_reuseport", 0),
]


class Broker:
    """The running broker. Created by `await Broker.start(...)`; call `stop` on the same loop."""

    def __init__(self, folder: Path, clock: Clock, lock: FolderLock) -> None:
        loop = asyncio.get_running_loop()
        self._lock = lock
        self._storage = Storage(folder, loop)
        self._registry = Registry()
        exchange = Exchange(self._registry, self._storage, clock)
        signer = TokenSigner(folder, clock)
        self._certificates = signer.certificates
        self._pushes = PushSender(signer)
        subscriptions = Subscriptions(self._registry, self._storage, exchange, clock, self._pushes)
        subscriptions.restore()
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MAX_CONCURRENT_RPCS)
        publisher = Publisher(self._registry, self._storage, exchange, subscriptions)
        subscriber = Subscriber(self._registry, subscriptions)
        self._server.add_generic_rpc_handlers((publisher.handler(), subscriber.handler()))
        self._tasks = [
            spawn(flush_forever(self._registry), "broker-flush"),
            spawn(sweep_forever(self._registry, self._storage), "broker-sweep"),
        ]
        self.host_port = ""
        self.certs_url = ""

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        host: str,
        port: int,
        certs_port: int,
        clock: Clock,
        patience: Patience = IMPATIENT,
    ) -> Broker:
        """Serve the data of `folder` at host and port (0: a free one). May block for up to `patience`.

        Raises FolderInUse, SchemaTooNew, or OSError if an address is not available.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        broker = cls(folder, clock, FolderLock(folder, patience))
        await broker._listen(host, port, certs_port)
        return broker

    async def stop(self) -> None:
        """End all calls, then write the remaining state to disk."""
        await self._server.stop(_STOP_GRACE_SECONDS)
        self._pushes.close()
        for task in self._tasks:
            task.cancel()
        await flush(self._registry)
        for subscription in self._registry.subscriptions.values():
            subscription.delivery.close()
        self._certificate_server.close()
        self._storage.close()
        self._lock.release()

    async def _listen(self, host: str, port: int, certs_port: int) -> None:
        literal = f"[{host}]" if ":" in host else host
        try:
            bound = self._server.add_insecure_port(f"{literal}:{port}")
        except RuntimeError as error:  # gRPC's error for an address in use
            raise OSError(f"can't listen on {literal}:{port}: {error}") from None
        self._certificate_server = CertificateServer(host, certs_port, self._certificates)
        await self._server.start()
        self.host_port = f"{literal}:{bound}"
        self.certs_url = f"http://{literal}:{self._certificate_server.port}{PATH}"
