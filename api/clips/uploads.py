"""Uploads by callers: where to put a file, and whether it is there."""

from __future__ import annotations

from dataclasses import dataclass, field

from clipping.clock import Clock
from clipping.config import Config
from clipping.contract.results import Upload
from clipping.contract.uploads import UploadRequest
from clipping.errors import InvalidRequest, StoreUnavailable
from clipping.ids import new_upload_id
from clipping.log import get_logger
from clipping.store.layout import upload_folder, upload_key
from clipping.store.owners import OwnerStores
from clipping.store.port import KEY

CHECK_SECONDS = 5.0
"""How long the uploads of one call are looked up. The agents look up the rest."""

log = get_logger(__name__)


@dataclass(frozen=True)
class Uploads:
    """Signs the URLs of uploads. No record is kept of them: all is in the signature. Thread-safe."""

    config: Config
    clock: Clock
    stores: OwnerStores

    def begin(self, wanted: UploadRequest, owner: str, *, origin: str | None) -> Upload:
        """Where to put a file. `origin`: that of the caller's web page, if it is allowed.

        Raises `SigningUnavailable` and `StoreUnavailable`.
        """
        store = self.stores.of(owner)
        upload_id = new_upload_id(self.clock.now())
        key = upload_key(owner, upload_id, wanted.filename)
        target = store.sign_upload(
            key,
            size=wanted.size_bytes,
            content_type=wanted.content_type,
            seconds=self.config.limits.upload_url_hours * 3600,
            origin=origin,
        )
        return Upload(
            upload_id=upload_id,
            upload_url=target.url,
            headers=dict(target.headers),
            resumable=target.resumable,
            source_uri=store.uri(key),
            expires_at=target.expires_at,
        )

    def check(self) -> UploadCheck:
        """For the recordings of one call."""
        return UploadCheck(self.stores, self.clock, self.clock.monotonic() + CHECK_SECONDS)


@dataclass
class UploadCheck:
    """Looks up whether a caller's uploads are complete, each of them once. An unavailable store, or one that
    is slow, is not asked again: then the agents find out."""

    stores: OwnerStores
    clock: Clock
    until: float
    _found: dict[str, bool] = field(default_factory=dict)

    def require(self, uri: str, owner: str, *, name: str) -> None:
        """Raises `InvalidRequest` for an upload of the caller's that is not there; `name` is the field."""
        store = self.stores.of(owner)
        root = self.stores.root(owner)
        if not uri.startswith(root + upload_folder(owner)):
            return
        if uri not in self._found:
            key = uri.removeprefix(root)
            try:
                self._found[uri] = self._is_late or (
                    KEY.fullmatch(key) is not None and store.stat(key) is not None
                )
            except StoreUnavailable as error:
                log.warning("upload.not_checked", reason=error.message)
                self._found[uri], self.until = True, self.clock.monotonic()
        if not self._found[uri]:
            raise InvalidRequest(
                f"{name}: the upload is not complete: PUT the file to its upload_url first", field=name
            )

    @property
    def _is_late(self) -> bool:
        return self.clock.monotonic() >= self.until
