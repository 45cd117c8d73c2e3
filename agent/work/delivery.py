"""Uploads a finished clip: create-only upload, adoption, signed link.

An object's metadata has what a completion needs (checksum, duration, report), so that an agent which finds
it after a crash can publish the same completion without cutting again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ValidationError

from agent.cutting import Clip
from clipping.contract.messages import RequestMessage
from clipping.contract.report import Report
from clipping.errors import ObjectExists, SigningUnavailable, StoreUnavailable
from clipping.log import get_logger
from clipping.store.port import ObjectInfo, Store, clip_key

log = get_logger(__name__)

MAX_FACTS = 6_000
"""Bytes. GCS allows 8 KiB of metadata an object; our other fields stay well below 2 KiB."""
_SHORT = 500
"""Characters of a single warning that are kept in any case."""


class Facts(BaseModel):
    """The facts about a clip in its object's metadata."""

    sha256: str
    duration: float
    report: Report

    def to_metadata(self) -> str:
        """JSON of at most `MAX_FACTS` bytes: the longest lists are shortened until it fits."""
        facts = self
        while len(text := facts.model_dump_json(exclude_none=True).encode()) > MAX_FACTS:
            facts = facts.model_copy(update={"report": _shortened(facts.report)})
        return text.decode()


def _shortened(report: Report) -> Report:
    """The report with half of its longest list; once all are empty, without its longest text."""
    lists = {name: getattr(report, name) for name in ("warnings", "dropped_streams", "audio")}
    name, longest = max(lists.items(), key=lambda pair: len(repr(pair[1])))
    if not longest:
        raise ValueError("a report without lists is larger than an object's metadata may be")
    if len(longest) == 1 and name == "warnings" and len(longest[0]) > _SHORT:
        return report.model_copy(update={name: [longest[0][: len(longest[0]) // 2]]})
    return report.model_copy(update={name: longest[: len(longest) // 2]})


@dataclass(frozen=True)
class Delivered:
    """A clip in the store, with a link to it."""

    path_name: str
    uri: str
    size: int
    facts: Facts
    download_url: str
    expires_at: datetime


class Courier:
    """Uploads clips to the store. `epoch` and `agent_id` go into the object's metadata.

    `unsigned` is called whenever a link could not be signed. It must not block.
    """

    def __init__(
        self,
        store: Store,
        *,
        agent_id: str,
        signed_url_seconds: float,
        unsigned: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._agent_id = agent_id
        self._seconds = signed_url_seconds
        self._unsigned = unsigned

    def find(self, message: RequestMessage) -> ObjectInfo | None:
        """The clip of this request if an earlier attempt uploaded it. Raises `StoreUnavailable`."""
        page = self._store.list(clip_key(message.hand_id, message.request_id, ""), limit=10)
        for info in page.objects:
            if self._is_of(info, message):
                return info
        return None

    def upload(self, clip: Clip, message: RequestMessage, *, epoch: int) -> ObjectInfo:
        """Upload atomically; adopt the clip if an earlier attempt has uploaded it meanwhile.

        Raises `StoreUnavailable`.
        """
        key = clip_key(message.hand_id, message.request_id, clip.extension)
        facts = Facts(sha256=clip.sha256, duration=clip.duration, report=clip.report)
        metadata = {
            "request_id": message.request_id,
            "spec_hash": message.spec_hash(),
            "agent_id": self._agent_id,
            "epoch": str(epoch),
            "clip": facts.to_metadata(),
        }
        try:
            return self._store.create(key, clip.path, content_type=clip.content_type, metadata=metadata)
        except ObjectExists:
            # Also the answer to a retried upload whose first answer was lost.
            existing = self._store.stat(key)
            if existing is None or not self._is_of(existing, message):
                raise StoreUnavailable(
                    f"{self._store.uri(key)} exists and belongs to another clip: remove it, or request again"
                ) from None
            log.info("clip.adopted", request_id=message.request_id, uri=self._store.uri(key), after="upload")
            return existing

    def _is_of(self, info: ObjectInfo, message: RequestMessage) -> bool:
        mine = (message.request_id, message.spec_hash())
        return (info.metadata.get("request_id"), info.metadata.get("spec_hash")) == mine

    def link(self, info: ObjectInfo, message: RequestMessage) -> Delivered:
        """The object with a signed link. Separate from `upload`: a failed signature repeats no upload.

        Raises `SigningUnavailable`, and `StoreUnavailable` when the object's metadata is lost.
        """
        try:
            facts = Facts.model_validate_json(info.metadata.get("clip", ""))
        except ValidationError:
            raise StoreUnavailable(f"{self._store.uri(info.key)} has lost its metadata") from None
        extension = info.key.rpartition(".")[2]
        filename = f"{message.hand_id}.{extension}"
        try:
            link = self._store.sign(info.key, filename=filename, seconds=self._seconds)
        except SigningUnavailable:
            self._unsigned()
            raise
        return Delivered(
            path_name=self._store.path_name(info.key),
            uri=self._store.uri(info.key),
            size=info.size,
            facts=facts,
            download_url=link.url,
            expires_at=link.expires_at,
        )
