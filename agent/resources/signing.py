"""Checks whether this agent can sign links: a clip without a link is useless to its caller."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from clipping.clock import Clock
from clipping.contract.cluster import signing_key
from clipping.errors import SigningUnavailable, StoreUnavailable, VersionMismatch
from clipping.store.local import LocalStore
from clipping.store.port import Store
from clipping.store.signing import Fetched, fetch, host_of, sign_and_verify

CONTENT = b"{}"
CLOCK_HINT = "check the account's access to the bucket and this machine's clock"


class SigningCheck:
    """Signs a link to a small object of this agent, and fetches it. For a `Probe`.

    The object is written once. Links of a local store are only verified, not fetched: the API serves
    them, and may be down.
    """

    def __init__(self, store: Store, cluster: str, agent_id: str, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._key = signing_key(cluster, agent_id)
        self._written = False

    @property
    def local(self) -> bool:
        """Whether a check makes no network call."""
        return isinstance(self._store, LocalStore)

    def look(self) -> str:
        """Check once; returns what was checked. Raises `SigningUnavailable`, with its code in the text."""
        try:
            return self._try()
        except SigningUnavailable as error:
            raise SigningUnavailable(f"{error.code}: {error.message}") from None

    def _try(self) -> str:
        if self.local:
            sign_and_verify(self._store, self._key, self._clock)
            return "signed and verified a link"
        try:
            self._write()
        except StoreUnavailable:
            # The store check reports this; here only signing matters.
            sign_and_verify(self._store, self._key, self._clock)
            return "signed a link; not fetched, as its object could not be written"
        url = sign_and_verify(self._store, self._key, self._clock)
        found = fetch(url, CONTENT)
        if found.state == "missing":
            self._written = False  # perhaps by a lifecycle rule: written again for the next check
        return remote_verdict(found, url)

    def _write(self) -> None:
        if self._written:
            return
        try:
            self._store.replace(self._key, CONTENT, expected=None)
        except VersionMismatch:
            pass  # it exists since an earlier start
        self._written = True


def check_place(store: Store, key: str, clock: Clock) -> str:
    """Check that objects can be written to a caller's place in a bucket, and fetched by links. The object
    `key` stays. Raises `StoreUnavailable` and `SigningUnavailable`."""
    try:
        store.replace(key, CONTENT, expected=None)
    except VersionMismatch:
        pass  # it exists since an earlier check; those who may not write get another error
    url = sign_and_verify(store, key, clock)
    return remote_verdict(fetch(url, CONTENT), url)


def remote_verdict(found: Fetched, url: str) -> str:
    """Evaluates the fetch of a link to a bucket. Pure. Raises `SigningUnavailable`."""
    match found.state:
        case "good":
            return "signed a link and fetched it"
        case "refused":
            raise SigningUnavailable(f"{found.detail}; {CLOCK_HINT}")
        case "missing":
            return "signed a link; not fetched, as its object was deleted"
        case "unreachable":
            return f"signed a link; not fetched, as {host_of(url)} can't be reached ({found.detail})"


def local_verdict(found: Fetched, url: str) -> str:
    """Evaluates the fetch of a link to the API. Pure. Raises `SigningUnavailable`."""
    host = host_of(url)
    match found.state:
        case "good":
            return f"signed a link and fetched it from {host}"
        case "unreachable":
            return (
                f"signed and verified a link; {host} (api.public_url) does not respond ({found.detail}): "
                "links work while the API runs there"
            )
        case _:
            raise SigningUnavailable(
                f"signed and verified a link, but {host} (api.public_url) does not serve it: {found.detail}; "
                "set api.public_url to the API of this store, and the same storage.path in both"
            )


def try_once(store: Store, key: str, clock: Clock, *, scratch: Path) -> str:
    """Write the object `key`, sign a link to it, fetch the link, and remove the object. For `doctor`.

    `scratch` is a writable folder: under a systemd service /tmp may not be one.
    Raises `SigningUnavailable`, and `StoreUnavailable` when no object can be written.
    """
    content = secrets.token_hex(16).encode()
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=scratch) as folder:
            source = Path(folder) / "object"
            source.write_bytes(content)
            store.create(key, source, content_type="application/octet-stream", metadata={})
    except OSError as error:
        # Of the folder, or of a file that the store needs, such as a key.
        other = error.filename and not Path(error.filename).is_relative_to(scratch)
        place = error.filename if other else scratch
        raise StoreUnavailable(f"no object was written: {place} can't be used: {error.strerror}") from None
    try:
        url = sign_and_verify(store, key, clock)
        verdict = local_verdict if isinstance(store, LocalStore) else remote_verdict
        return verdict(fetch(url, content), url)
    finally:
        _remove(store, key)


def _remove(store: Store, key: str) -> None:
    try:
        store.delete(key)
    except StoreUnavailable:
        pass  # it is small, and nothing reads its folder
