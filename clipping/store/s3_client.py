"""Connections to an S3-compatible store: credentials, timeouts and addresses."""

from __future__ import annotations

import configparser
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import NoCredentialsError
from botocore.loaders import create_loader

from clipping.config import Storage
from clipping.errors import StoreUnavailable

_LOADER = create_loader()
"""The library's descriptions of S3, which take a tenth of a second to load: once for all stores."""
CALL_SECONDS = 4.0
_PATIENT = 15.0
"""How long a listing or a download may make no progress."""
_UPLOAD_SECONDS = 60.0
"""How long an upload may make no progress."""
_TRIES = 3
UNKNOWN_TOKEN_SECONDS = 3600.0
"""What is assumed of temporary credentials that do not say when they expire: STS gives an hour by default."""
DEFAULT_REGION = "us-east-1"
"""What other stores than AWS expect in signatures."""


@dataclass(frozen=True)
class Endpoint:
    """Where a store is. Without `url`, it is AWS."""

    url: str | None = None
    public_url: str | None = None
    """How those reach it who download clips, if not by `url`."""
    region: str | None = None
    credentials: Path | None = None
    """A file with an access key; None: the environment, the user's AWS files, or the instance's role."""
    credentials_name: str = "storage.credentials"
    """The key of the configuration that names the file, for messages."""


def endpoint_of(storage: Storage) -> Endpoint:
    """The store of a configuration."""
    return Endpoint(
        url=storage.endpoint,
        public_url=storage.public_endpoint,
        region=storage.region,
        credentials=Path(storage.credentials) if storage.credentials else None,
    )


class Connections:
    """Clients for one store. Connects on the first call. Safe for threads."""

    def __init__(self, endpoint: Endpoint, *, call_seconds: float | None = None) -> None:
        self._endpoint = endpoint
        call_seconds = call_seconds or CALL_SECONDS
        self._limits = {
            "call": (call_seconds, call_seconds, 1),
            "patient": (_PATIENT, _PATIENT, _TRIES),
            "upload": (_UPLOAD_SECONDS, _UPLOAD_SECONDS, _TRIES),
            "reads": (CALL_SECONDS, _PATIENT, 1),
        }
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    @property
    def region(self) -> str:
        """The region of the configuration, or of the environment."""
        return str(self._endpoint.region or self._opened().region_name or DEFAULT_REGION)

    @property
    def is_aws(self) -> bool:
        """Whether the store is Amazon's, which has a bucket's name in its address."""
        host = urlsplit(self._endpoint.url or "").hostname
        return host is None or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    def call(self) -> Any:
        """For coordination: short timeouts, no retries."""
        return self._client("call", self._endpoint.url)

    def patient(self) -> Any:
        """For listings and downloads."""
        return self._client("patient", self._endpoint.url)

    def reads(self) -> Any:
        """For parts of objects: the caller tries again."""
        return self._client("reads", self._endpoint.url)

    def upload(self) -> Any:
        """For clips."""
        return self._client("upload", self._endpoint.url)

    def signer(self) -> Any:
        """For links: the address that those who download use."""
        return self._client("call", self._endpoint.public_url or self._endpoint.url)

    def signature_limit(self, now: datetime) -> datetime | None:
        """When links signed now stop working with the credentials; None: they don't.

        Raises `NoCredentialsError` when there are none.
        """
        credentials = self._opened().get_credentials()
        if credentials is None:
            raise NoCredentialsError
        if credentials.get_frozen_credentials().token is None:  # refreshes what is about to expire
            return None
        expiry = getattr(credentials, "_expiry_time", None)  # botocore has no public name for it
        if not isinstance(expiry, datetime):
            return now + timedelta(seconds=UNKNOWN_TOKEN_SECONDS)
        return expiry.astimezone(UTC)

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._lock:
            clients, self._clients, self._session = list(self._clients.values()), {}, None
        for client in clients:
            client.close()

    def _opened(self) -> Any:
        with self._lock:
            return self._open()

    def _open(self) -> Any:
        if self._session is None:
            path = self._endpoint.credentials
            keys = {} if path is None else read_credentials(path, self._endpoint.credentials_name)
            session = botocore.session.Session()
            session.register_component("data_loader", _LOADER)
            self._session = boto3.session.Session(botocore_session=session, **keys)
        return self._session

    def _client(self, kind: str, url: str | None) -> Any:
        name = f"{kind} {url}"
        region = self.region
        connect, read, tries = self._limits[kind]
        with self._lock:
            if name not in self._clients:
                self._clients[name] = self._open().client(
                    "s3",
                    endpoint_url=url,
                    region_name=region,
                    config=Config(
                        signature_version="s3v4",
                        connect_timeout=connect,
                        read_timeout=read,
                        retries={"mode": "standard", "total_max_attempts": tries},
                        max_pool_connections=32,
                        tcp_keepalive=True,
                        # Only AWS knows the checksums that the library would add to every request.
                        request_checksum_calculation="when_required",
                        response_checksum_validation="when_required",
                        # The configuration says where the store is, and not AWS_ENDPOINT_URL.
                        ignore_configured_endpoint_urls=True,
                        # "auto" would sign links for an address that redirects to the region.
                        s3={"addressing_style": "virtual" if self.is_aws else "path"},
                    ),
                )
            return self._clients[name]


def read_credentials(path: Path, name: str = "storage.credentials") -> dict[str, str]:
    """The access key in a file of the AWS format: a section `[default]` with `aws_access_key_id`,
    `aws_secret_access_key` and, for temporary ones, `aws_session_token`.

    Raises `StoreUnavailable`, without the content in the message. `name`: as
    `Endpoint.credentials_name`.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreUnavailable(f"{name}: {path} can't be read: {error.strerror}") from None
    except (configparser.Error, UnicodeDecodeError):
        raise StoreUnavailable(_unusable(path, name)) from None
    section = dict(parser["default"]) if parser.has_section("default") else {}
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    found = {name: section[name].strip() for name in names if section.get(name, "").strip()}
    if not {"aws_access_key_id", "aws_secret_access_key"} <= set(found):
        raise StoreUnavailable(_unusable(path, name))
    return found


def _unusable(path: Path, name: str) -> str:
    return f"{name}: {path} needs a section [default] with aws_access_key_id and aws_secret_access_key"
