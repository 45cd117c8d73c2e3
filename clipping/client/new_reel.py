"""A typed request for a reel. The service validates it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from clipping.contract.choices import Mode, Priority, Quality


@dataclass(frozen=True)
class NewReel:
    """Parts of recordings to be joined. Each of `clips` has the fields of a part, as in the API.

    For None the service uses its default. `more` is for fields of newer versions of the service.
    """

    reel_id: str
    clips: Sequence[Mapping[str, Any]]
    transition: Mapping[str, Any] | None = None
    output_quality: Quality | None = None
    mode: Mode | None = None
    priority: Priority | None = None
    output: Mapping[str, Any] | None = None
    chapters: bool | None = None
    tsv: bool | None = None
    allow_overlaps: bool | None = None
    metadata: Mapping[str, str] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON body for the service."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "more"}
        given = {name: value for name, value in own.items() if value is not None}
        return given | {"clips": [dict(part) for part in self.clips]} | dict(self.more)
