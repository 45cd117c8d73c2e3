"""Links of the local store, for downloads and uploads: signed with its own key, served by the API."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlencode

from clipping.errors import Expired, Forbidden, SigningUnavailable
from clipping.store.filesystem import sync_folder

LINK_PATH = "/v1/files/"
"""The API's path, followed by the object's key."""
UPLOAD_PATH = "/v1/uploads/"
"""The API's path of uploads, followed by the object's name."""
INVALID_LINK = "this download link is not valid: ask for a new one"
INVALID_UPLOAD = "this upload URL is not valid: ask for a new one with POST /v1/uploads"
_KEY_BYTES = 32


class LinkSigner:
    """HMAC-SHA256 over all that a link says, and what it is for.

    The secret in `key_file` is read on every call, so that all processes use the same one and replacing it
    needs no restart. Every call raises `SigningUnavailable` when it can't be read or created.
    """

    def __init__(self, key_file: Path, public_url: str) -> None:
        self._key_file = key_file
        self._base = public_url.rstrip("/") + LINK_PATH
        self._uploads = public_url.rstrip("/") + UPLOAD_PATH

    def url(self, key: str, *, filename: str, expires: int) -> str:
        """`{public_url}/v1/files/{key}?expires=<unix seconds>&filename=<name>&signature=<hex>`."""
        query = {"expires": expires, "filename": filename, "signature": self._sign(key, expires, filename)}
        return f"{self._base}{quote(key)}?{urlencode(query, quote_via=quote)}"

    def verify(self, key: str, expires: int, filename: str, signature: str, now: datetime) -> None:
        """Raises `Forbidden` when the signature does not match, `Expired` when the link has expired."""
        expected = self._sign(key, expires, filename)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
            raise Forbidden(INVALID_LINK)
        if now.timestamp() >= expires:
            until = datetime.fromtimestamp(expires, UTC)
            raise Expired(f"this download link was valid until {until:%Y-%m-%d %H:%M} UTC: ask for a new one")

    def upload_url(self, name: str, *, size: int, content_type: str, expires: int) -> str:
        """`{public_url}/v1/uploads/{name}?expires=<unix seconds>&size=<bytes>&type=<type>&signature=<hex>`.

        `name`: the object's whole name in the folder.
        """
        signature = self._sign("PUT", name, expires, size, content_type)
        query = {"expires": expires, "size": size, "type": content_type, "signature": signature}
        return f"{self._uploads}{quote(name)}?{urlencode(query, quote_via=quote)}"

    def verify_upload(
        self, name: str, expires: int, size: int, content_type: str, signature: str, now: datetime
    ) -> None:
        """As `verify`, for the URL of an upload."""
        expected = self._sign("PUT", name, expires, size, content_type)
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogateescape")):
            raise Forbidden(INVALID_UPLOAD)
        if now.timestamp() >= expires:
            until = datetime.fromtimestamp(expires, UTC)
            raise Expired(f"this upload URL was valid until {until:%Y-%m-%d %H:%M} UTC: ask for a new one")

    def _sign(self, *parts: object) -> str:
        # Each part is quoted, so that different inputs never give the same text: those of a download have
        # three parts, those of an upload five.
        words = "\n".join(quote(str(part), safe="", errors="surrogateescape") for part in parts)
        return hmac.new(load_or_create_secret(self._key_file), words.encode(), hashlib.sha256).hexdigest()


def load_or_create_secret(path: Path) -> bytes:
    """The secret in the file `path`, created on first use. Concurrent callers get the same secret.

    Raises `SigningUnavailable`.
    """
    try:
        try:
            return _read_secret(path)
        except FileNotFoundError:
            return _create_secret(path)
    except OSError as error:
        raise SigningUnavailable(
            f"the key for download links, {path}, can't be read or created ({error.strerror or error}); "
            "let the user that this process runs as read it, and write to its folder"
        ) from None


def _create_secret(path: Path) -> bytes:
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    return _read_secret(path)


def _read_secret(path: Path) -> bytes:
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != _KEY_BYTES:
        raise SigningUnavailable(
            f"{path} is damaged: it should hold {2 * _KEY_BYTES} hexadecimal digits; restore it, or delete "
            "it for a new one (links given out so far then stop working)"
        )
    return secret
