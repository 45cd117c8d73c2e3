"""Uploads a finished clip or reel: create-only upload, adoption, what lies beside it, signed links.

An object's metadata has what a completion needs (checksum, duration, report), so that an agent which finds
it after a crash can publish a completion without cutting again. A long report is shortened there: see
`Facts.within`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ValidationError

from agent.cutting import Clip
from agent.work.aside import Aside
from agent.work.kinds import is_short, key_beside, object_key
from clipping.contract.choices import Beside
from clipping.contract.reel import WorkMessage
from clipping.contract.report import PartReport, Report
from clipping.errors import ObjectExists, SigningUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.layout import BESIDE, filename_of, is_of_request
from clipping.store.owners import OwnerStores
from clipping.store.port import ObjectInfo, SignedUrl, Store

log = get_logger(__name__)

MAX_FACTS = 6_000
"""Bytes. GCS allows 8 KiB of metadata an object; our other fields stay well below 2 KiB."""
MAX_REPORTED = 500_000
"""Bytes of the facts in a completion; Pub/Sub allows several MB."""
PARTS_LOST = "the report of the parts is incomplete: the agent was interrupted before it could publish it"
FRAMING_LOST = (
    "the smart crop's keyframes are missing: the agent was interrupted before it could publish them"
)
_HASH, _BESIDE_HASH = "spec_hash", "clip_spec_hash"
"""The hash of the request in metadata: of a clip, a reel or its table, and of a poster or contact sheet."""
_OBJECTS = 20
"""More than a request has."""
_SHORT = 500
"""Characters of a single warning that are kept in any case."""
_TYPES: Mapping[Beside, str] = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "poster": "image/jpeg",
    "contact_sheet": "image/jpeg",
}
_LINKED: tuple[Beside, ...] = ("poster", "contact_sheet")
"""What a completion has links to."""
_SIGN_SECONDS = 1.0
"""How long a completion waits for those, once it has the clip's."""


class Facts(BaseModel):
    """The facts about a clip or reel."""

    sha256: str
    duration: float
    report: Report

    def to_metadata(self) -> str:
        """JSON of at most `MAX_FACTS` bytes, for the object's metadata."""
        return self.within(MAX_FACTS).model_dump_json(exclude_none=True)

    def within(self, most: int) -> Facts:
        """These facts with a report that is shortened until its JSON has at most `most` bytes.

        What is left out, in this order: the parts' warnings, dropped streams, sources and framings; the
        parts; the framing, or halves of the longest list (warnings, dropped streams, audio), whichever is
        longest. When parts or the framing are affected, a warning says so.
        """
        facts = self
        while len(facts.model_dump_json(exclude_none=True).encode()) > most:
            facts = facts.model_copy(update={"report": _shortened(facts.report)})
        return facts


def _shortened(report: Report) -> Report:
    """The report with less of its parts; then without its framing or with half of its longest list; once all
    are empty, without its longest text."""
    if report.parts is not None:
        return _with_less_of_parts(report, report.parts)
    lists = {name: getattr(report, name) for name in ("warnings", "dropped_streams", "audio")}
    name, longest = max(lists.items(), key=lambda pair: len(repr(pair[1])))
    if report.framing is not None and len(repr(report.framing)) > len(repr(longest)):
        return report.model_copy(update={"framing": None, "warnings": [FRAMING_LOST, *report.warnings]})
    if not longest:
        raise ValueError("a report without lists is larger than an object's metadata may be")
    if len(longest) == 1 and name == "warnings" and len(longest[0]) > _SHORT:
        return report.model_copy(update={name: [longest[0][: len(longest[0]) // 2]]})
    return report.model_copy(update={name: longest[: len(longest) // 2]})


def _with_less_of_parts(report: Report, parts: list[PartReport]) -> Report:
    nothing: dict[str, object] = {"warnings": [], "dropped_streams": [], "source": None, "framing": None}
    bare = [part.model_copy(update=nothing) for part in parts]
    others = [warning for warning in report.warnings if warning != PARTS_LOST]
    return report.model_copy(
        update={"parts": bare if bare != parts else None, "warnings": [PARTS_LOST, *others]}
    )


@dataclass(frozen=True)
class Stored:
    """A clip or reel in the store."""

    info: ObjectInfo
    uri: str
    facts: Facts
    """In full if this attempt made it, else what its metadata have of them."""
    beside: Mapping[Beside, str] = field(default_factory=dict)
    """The keys of what is known to lie beside it."""


@dataclass(frozen=True)
class Delivered:
    """A clip or reel in the store, with a link to it."""

    path_name: str
    uri: str
    size: int
    facts: Facts
    download_url: str
    expires_at: datetime
    poster_url: str | None
    contact_sheet_url: str | None


class Courier:
    """Uploads clips and reels to the stores of their callers. `epoch` and `agent_id` go into the object's
    metadata.

    `short_seconds` is how long vertical clips are kept: their links do not outlive them.
    `unsigned` is called whenever a link to an object in the shared store could not be signed. It must not
    block.
    """

    def __init__(
        self,
        stores: OwnerStores,
        *,
        agent_id: str,
        signed_url_seconds: float,
        short_seconds: float,
        unsigned: Callable[[], None] = lambda: None,
    ) -> None:
        self._stores = stores
        self._agent_id = agent_id
        self._seconds = signed_url_seconds
        self._short_seconds = min(signed_url_seconds, short_seconds)
        self._unsigned = unsigned

    def find(self, message: WorkMessage) -> Stored | None:
        """The clip or reel of this request if an earlier attempt uploaded it. Raises `StoreUnavailable`."""
        stem = object_key(message, "x").removesuffix(".x")
        store = self._stores.of(message.owner)
        found = [
            info
            for info in store.list(stem, limit=_OBJECTS).objects
            if is_of_request(info.key, stem) and _is_of(info, message)
        ]
        beside = {file: key_beside(message, file) for file in BESIDE}
        for info in found:
            if info.key not in beside.values():
                keys = {each.key for each in found}
                there = {file: key for file, key in beside.items() if key in keys}
                return replace(_stored(store, info), beside=there)
        return None

    def upload(self, clip: Clip, message: WorkMessage, *, epoch: int) -> Stored:
        """Upload atomically; adopt what an earlier attempt has uploaded meanwhile.

        Raises `StoreUnavailable`.
        """
        facts = Facts(sha256=clip.sha256, duration=clip.duration, report=clip.report)
        key = object_key(message, clip.extension)
        metadata = {**self._origin(message, epoch), "clip": facts.to_metadata()}
        store = self._stores.of(message.owner)
        info, created = _created(store, key, clip.path, clip.content_type, metadata, message)
        if created:
            return Stored(info, store.uri(key), facts.within(MAX_REPORTED))
        log.info("clip.adopted", request_id=message.request_id, uri=store.uri(key), after="upload")
        return _stored(store, info)

    def add_table(self, text: str, message: WorkMessage, folder: Path, *, epoch: int) -> None:
        """Put the table beside the reel; nothing, if an earlier attempt has done so. `folder`: for its file.

        Raises `StoreUnavailable`.
        """
        path = folder / "table"
        path.write_text(text, encoding="utf-8")
        self.add("tsv", path, message, epoch=epoch)

    def add(self, file: Beside, path: Path, message: WorkMessage, *, epoch: int) -> str:
        """Put a file beside the clip or reel, unless an earlier attempt has done so; its key.

        Raises `StoreUnavailable`.
        """
        key, store, origin = (
            key_beside(message, file),
            self._stores.of(message.owner),
            self._origin(message, epoch),
        )
        if file in _LINKED:
            # Agents of a version without posters take what has `spec_hash`, and is no table, for the clip.
            origin[_BESIDE_HASH] = origin.pop(_HASH)
        return _created(store, key, path, _TYPES[file], origin, message)[0].key

    def _origin(self, message: WorkMessage, epoch: int) -> dict[str, str]:
        return {
            "request_id": message.request_id,
            _HASH: message.spec_hash(),
            "agent_id": self._agent_id,
            "epoch": str(epoch),
        }

    def link(self, stored: Stored, message: WorkMessage) -> Delivered:
        """The object with signed links, to what lies beside it too, as far as these can be signed in time.

        Separate from `upload`: a failed signature repeats no upload. Raises `SigningUnavailable`,
        `StoreUnavailable`.
        """
        info, store = stored.info, self._stores.of(message.owner)
        linked = {file: stored.beside[file] for file in _LINKED if file in stored.beside}
        aside = Aside(
            {file: partial(self._sign, store, key, message) for file, key in linked.items()},
            name="poster-link",
        )
        try:
            link = self._sign(store, info.key, message)
        except SigningUnavailable:
            if not self._stores.apart(message.owner):
                self._unsigned()
            raise
        links, failures = aside.wait(time.monotonic() + _SIGN_SECONDS)
        for file, reason in failures.items():
            log.warning("poster.not_signed", request_id=message.request_id, file=file, error=reason)
        return Delivered(
            path_name=store.path_name(info.key),
            uri=stored.uri,
            size=info.size,
            facts=stored.facts,
            download_url=link.url,
            expires_at=link.expires_at,
            poster_url=links["poster"].url if "poster" in links else None,
            contact_sheet_url=links["contact_sheet"].url if "contact_sheet" in links else None,
        )

    def _sign(self, store: Store, key: str, message: WorkMessage) -> SignedUrl:
        filename = filename_of(key, message.request_id, message.hand_id)
        seconds = self._short_seconds if is_short(message) else self._seconds
        return store.sign(key, filename=filename, seconds=seconds)


def _created(
    store: Store,
    key: str,
    file: Path,
    content_type: str,
    metadata: Mapping[str, str],
    message: WorkMessage,
) -> tuple[ObjectInfo, bool]:
    """The object, and whether this call created it."""
    try:
        return store.create(key, file, content_type=content_type, metadata=metadata), True
    except ObjectExists:
        # Also the answer to a retried upload whose first answer was lost.
        existing = store.stat(key)
        if existing is None or not _is_of(existing, message):
            raise StoreUnavailable(
                f"{store.uri(key)} exists and belongs to another clip: remove it, or request again"
            ) from None
        return existing, False


def _stored(store: Store, info: ObjectInfo) -> Stored:
    uri = store.uri(info.key)
    try:
        return Stored(info, uri, Facts.model_validate_json(info.metadata.get("clip", "")))
    except ValidationError:
        raise StoreUnavailable(f"{uri} has lost its metadata") from None


def _is_of(info: ObjectInfo, message: WorkMessage) -> bool:
    found = info.metadata.get(_HASH) or info.metadata.get(_BESIDE_HASH)
    return (info.metadata.get("request_id"), found) == (message.request_id, message.spec_hash())
