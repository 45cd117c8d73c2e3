"""Download links in statuses: signed again before they end, and kept in the row for all processes.

A signature may be a network call with a quota, so a link is signed again only when it has less than half of
its life left. The row's revision, and so the status's ETag, then changes. The links of a list are stored in
one transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.clips.views import LINKED, completion_of, expires_at_of, links_of, status_of
from api.db import clips
from api.db.engine import Database
from api.db.expiry import folder
from api.db.tables import Clip
from api.db.watching import Version
from api.domain.retention import Retention, Signed, is_due
from clipping.clock import Clock
from clipping.contract.choices import Beside, DownloadFile
from clipping.contract.preview_keys import PreviewKeys
from clipping.contract.results import ClipStatus
from clipping.errors import Expired, QueueUnavailable, SigningUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.layout import Folder, beside_key, filename_of, key_in, stored_folder
from clipping.store.owners import OwnerStores, Place
from clipping.store.port import ObjectInfo, SignedUrl

LIST_SECONDS = 2.0
"""How long a list may sign links. A link that is left still works or is left out."""
PAUSE_SECONDS = 30.0
"""After a signature failed, statuses are sent without new links for this long: those of the same store."""
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})\Z", re.ASCII)

log = get_logger(__name__)


@dataclass(frozen=True)
class _New:
    link: SignedUrl
    beside: Mapping[Beside, str]
    """The links to what lies beside it."""
    signed_at: datetime

    def put_into(self, row: Clip) -> None:
        row.link_url, row.link_expires_at = self.link.url, self.link.expires_at
        row.link_signed_at = self.signed_at
        row.poster_link_url, row.contact_sheet_link_url = map(self.beside.get, LINKED)


class Links:
    """Signs links. Thread-safe."""

    def __init__(
        self,
        retention: Retention,
        *,
        database: Database,
        stores: OwnerStores,
        clock: Clock,
        ids: PreviewKeys | None,
    ) -> None:
        self._retention = retention
        self._ids = ids
        self._database = database
        self._stores = stores
        self._clock = clock
        self._paused_until: dict[str | None, float] = {}
        """Monotonic seconds, by the owner of a store that can fail alone; None: of all others."""

    def expired_at(self, row: Clip | Version) -> datetime | None:
        """When the request's object expired; None if it has not, or if there is none."""
        expires_at = expires_at_of(row, self._retention)
        return expires_at if expires_at is not None and expires_at <= self._clock.now() else None

    def status(self, clip: Clip) -> ClipStatus:
        """The status of the request as it is now."""
        return status_of(clip, self._retention, self._clock.now(), self._ids)

    def is_due(self, row: Clip | Version) -> bool:
        """Whether the status needs a new link."""
        expires_at = expires_at_of(row, self._retention)
        if expires_at is None:
            return False
        return is_due(_signed(row), life=self._retention.link, expires_at=expires_at, now=self._clock.now())

    def sign(self, clip: Clip, file: DownloadFile = "video") -> SignedUrl:
        """A new link to a file of the request, for as long as it is kept at most.

        Raises `Expired` when it is unknown where the file is, `SigningUnavailable`, `StoreUnavailable`.
        """
        key, life = key_of(clip, file), self._retention.link
        place = self._place(clip)
        if not place.certain and place.store.stat(key) is None:
            raise Expired(f"the {clip.kind} is not where this caller's objects are now: request it again")
        expires_at = expires_at_of(clip, self._retention)
        if expires_at is not None:
            life = max(min(life, expires_at - self._clock.now()), timedelta(seconds=1))
        filename = filename_of(key, clip.request_id, clip.hand_id)
        return place.store.sign(key, filename=filename, seconds=life.total_seconds())

    def find(self, clip: Clip, file: DownloadFile = "video") -> ObjectInfo | None:
        """The description of a file of the request; None when the store has none. Raises as `sign`."""
        return self._place(clip).store.stat(key_of(clip, file))

    def renew(self, clip: Clip) -> Clip:
        """The request with a link that works, signed again if needed. If that fails, as it is."""
        return self._keep([clip], self._sign_due([clip], deadline=None))[0]

    def renew_all(self, rows: Sequence[Clip]) -> list[Clip]:
        """As `renew`, for as many as the time of a list allows."""
        deadline = self._clock.monotonic() + LIST_SECONDS
        return self._keep(rows, self._sign_due(rows, deadline=deadline))

    def _sign_due(self, rows: Sequence[Clip], *, deadline: float | None) -> dict[str, _New]:
        """New links for those that need one, by request, until the deadline or a failure."""
        signed: dict[str, _New] = {}
        for clip in rows:
            now = self._clock.monotonic()
            if deadline is not None and now >= deadline:
                break
            apart = clip.owner if self._stores.apart(clip.owner) else None
            if now < self._paused_until.get(apart, now) or not self.is_due(clip):
                continue
            signed_at = self._clock.now()
            try:
                link = self.sign(clip)
                signed[clip.request_id] = _New(link, self._beside(clip), signed_at)
            except Expired:
                continue
            except (SigningUnavailable, StoreUnavailable) as error:
                self._paused_until[apart] = now + PAUSE_SECONDS
                log.warning("links.not_signed", request_id=clip.request_id, reason=error.message)
        return signed

    def _beside(self, clip: Clip) -> dict[Beside, str]:
        """New links to what lies beside the request's object; not to what is no longer there. Raises as
        `sign`, except for `Expired`."""
        found: dict[Beside, str] = {}
        for file in beside_of(clip):
            with suppress(Expired):
                found[file] = self.sign(clip, file).url
        return found

    def _place(self, clip: Clip) -> Place:
        # What lies beside the clip is wherever the clip is.
        key = key_in(_folder(clip), clip.request_id, clip.hand_id, "x")
        return self._stores.holding(clip.owner, uri_of(clip), key)

    def _keep(self, rows: Sequence[Clip], signed: Mapping[str, _New]) -> list[Clip]:
        """Store the links, and return the rows with them; of a link that can't be stored, with it too."""
        if not signed:
            return list(rows)
        changed: dict[str, Clip] = {}
        try:
            with self._database.write() as session:
                # Locked in one order, as other transactions may lock some of them too.
                for request_id in sorted(signed):
                    found = clips.find(session, request_id, for_update=True)
                    if found is None:
                        continue
                    if self.is_due(found):  # else another process was faster
                        signed[request_id].put_into(found)
                        found.revision += 1
                    changed[request_id] = found
        except QueueUnavailable:
            for row in rows:
                if row.request_id in signed:
                    signed[row.request_id].put_into(row)
            return list(rows)
        return [changed.get(row.request_id, row) for row in rows]


def key_of(clip: Clip, file: DownloadFile = "video") -> str:
    """The file's key. Only the extension comes from the completion message; the rest is known here.

    Raises `Expired`.
    """
    extension = _EXTENSION.search(uri_of(clip))
    key = key_in(_folder(clip), clip.request_id, clip.hand_id, extension.group(1) if extension else "x")
    if file != "video":
        return beside_key(key, clip.request_id, file)
    if extension is None:
        raise Expired(f"the {clip.kind}'s location is unknown: request it again")
    return key


def _folder(clip: Clip) -> Folder:
    return folder(clip) or stored_folder(uri_of(clip), clip.request_id, clip.hand_id, short=clip.short)


def uri_of(clip: Clip) -> str:
    """Where the request's object was stored, by its completion; empty when that does not say."""
    end = completion_of(clip)
    return (end.output_uri if end else None) or ""


def beside_of(clip: Clip) -> list[Beside]:
    """What lies beside the request's object and has a link in its status."""
    end = completion_of(clip)
    return [] if end is None else [file for file, url in zip(LINKED, links_of(end), strict=True) if url]


def _signed(row: Clip | Version) -> Signed | None:
    if row.link_signed_at is None or row.link_expires_at is None:
        return None
    return Signed(row.link_signed_at, row.link_expires_at)
