"""The record that a local store keeps for each version of an object. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from clipping.clock import rfc3339
from clipping.store.port import ObjectInfo


@dataclass(frozen=True)
class Record:
    """An object's description, and a small object's content."""

    version: str
    size: int
    content_type: str
    created_at: datetime
    metadata: Mapping[str, str]
    data: bytes | None = None
    """None: the content is in a separate file."""
    deleted: bool = False
    """Whether this version marks the object as deleted."""

    def info(self, key: str) -> ObjectInfo:
        """As the store's `ObjectInfo`."""
        return ObjectInfo(
            key, self.size, self.version, self.content_type, self.created_at, dict(self.metadata)
        )

    def to_json(self) -> bytes:
        """The content of the record file."""
        fields: dict[str, object] = {
            "version": self.version,
            "size": self.size,
            "content_type": self.content_type,
            "created_at": rfc3339(self.created_at),
            "metadata": dict(self.metadata),
        }
        if self.data is not None:
            fields["data"] = base64.b64encode(self.data).decode()
        if self.deleted:
            fields["deleted"] = True
        return json.dumps(fields, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Record:
        """Parse a record file. Raises `ValueError` when it is not one."""
        try:
            fields = json.loads(text)
            data = fields.get("data")
            return cls(
                version=str(fields["version"]),
                size=int(fields["size"]),
                content_type=str(fields["content_type"]),
                created_at=datetime.fromisoformat(fields["created_at"]),
                metadata={str(name): str(value) for name, value in fields["metadata"].items()},
                data=None if data is None else base64.b64decode(data, validate=True),
                deleted=bool(fields.get("deleted", False)),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a record: {error!r}") from None
