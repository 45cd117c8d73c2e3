"""Parts of objects in Cloud Storage, or in the emulator of `STORAGE_EMULATOR_HOST`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from google.api_core import exceptions
from google.auth import exceptions as auth
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client

from clipping.errors import ClippingError, SourceNotFound, SourceUnavailable
from clipping.store.gcs_credentials import identity
from clipping.store.gcs_failures import GCS_ERRORS, bucket_is_missing, explain
from clipping.store.ranges import CONNECT_SECONDS, PIECE_BYTES, READ_SECONDS, ObjectState, Passing, changed

_CONNECTIONS = 32
_GENERATION = "x-goog-generation"


class GcsRanges:
    """The objects of a bucket: see `ranges.Bucket`. An ETag is a generation."""

    def __init__(self, bucket: str, *, credentials: Path | None = None, setting: str) -> None:
        """`credentials`: a service account's key file; None: from the environment. `setting`: where the
        configuration says so, for messages."""
        self._name, self._credentials, self._setting = bucket, credentials, setting
        self._lock = threading.Lock()
        self._connected: tuple[AuthorizedSession, str] | None = None

    def stat(self, key: str) -> ObjectState:
        query = {"fields": "size,generation,timeCreated"}
        with closing(self._get(f"storage/v1/b/{self._name}/o/{quote(key, safe='')}", key, query)) as answer:
            found = answer.json()
        return ObjectState(
            int(found["size"]), str(found["generation"]), datetime.fromisoformat(found["timeCreated"])
        )

    def read(self, key: str, start: int, end: int, etag: str) -> Iterator[bytes]:
        path = f"download/storage/v1/b/{self._name}/o/{quote(key, safe='')}"
        query = {"alt": "media", "ifGenerationMatch": etag}
        wanted = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        with closing(self._get(path, key, query, wanted)) as answer:
            # The emulator does not know the condition.
            if answer.headers.get(_GENERATION, etag) != etag:
                raise changed(self._uri(key))
            if answer.status_code != requests.codes.partial_content:
                raise SourceUnavailable(f"{self._uri(key)} can't be read in parts: it is stored compressed")
            try:
                yield from answer.iter_content(PIECE_BYTES)
            except requests.RequestException as error:
                raise self._failure(self._uri(key), error) from error

    def first(self, prefix: str) -> str | None:
        query = {"prefix": prefix, "maxResults": "1", "fields": "items/name"}
        with closing(self._get(f"storage/v1/b/{self._name}/o", prefix, query, listing=True)) as answer:
            return next((str(one["name"]) for one in answer.json().get("items", [])), None)

    def close(self) -> None:
        with self._lock:
            connected, self._connected = self._connected, None
        if connected is not None:
            connected[0].close()

    def _uri(self, key: str) -> str:
        return f"gs://{self._name}/{key}"

    def _get(
        self,
        path: str,
        key: str,
        query: dict[str, str],
        headers: dict[str, str] | None = None,
        *,
        listing: bool = False,
    ) -> requests.Response:
        try:
            session, endpoint = self._connect()
            answer: Any = session.get(
                f"{endpoint}/{path}",
                params=query,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                stream=True,
            )
            if not answer.ok:
                raise exceptions.from_http_response(answer)
        except GCS_ERRORS as error:
            raise self._failure(self._uri(key), error, listing=listing) from error
        found: requests.Response = answer
        return found

    def _connect(self) -> tuple[AuthorizedSession, str]:
        with self._lock:
            if self._connected is None:
                who = identity(self._credentials)
                client = Client(project=None, credentials=who.transport)
                session = AuthorizedSession(who.transport)
                for scheme in ("https://", "http://"):
                    session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_CONNECTIONS))
                self._connected = session, client.api_endpoint
                client.close()
            return self._connected

    def _failure(self, uri: str, error: Exception, *, listing: bool = False) -> ClippingError | Passing:
        match error:
            case exceptions.NotFound() if listing or bucket_is_missing(error):
                return SourceUnavailable(
                    f"{uri} can't be read: there is no bucket {self._name}: correct {self._setting}"
                )
            case exceptions.NotFound():
                return SourceNotFound(f"there is no object {uri}")
            case exceptions.PreconditionFailed() | exceptions.RequestRangeNotSatisfiable():
                return changed(uri)
            case exceptions.Forbidden() | exceptions.Unauthorized() | auth.GoogleAuthError():
                fix = f": grant roles/storage.objectViewer on the bucket, or set {self._setting}.credentials"
            case _:
                fix = ""
        failure = SourceUnavailable(f"{uri} can't be read: {explain(self._name, error)}{fix}")
        passes = isinstance(
            error,
            (
                exceptions.ServerError,
                exceptions.TooManyRequests,
                requests.RequestException,
                auth.TransportError,
            ),
        )
        return Passing(failure) if passes else failure
