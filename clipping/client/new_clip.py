"""What a caller asks for, typed. Whether it is possible, the service decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from clipping.contract.messages import Mode, Priority
from clipping.contract.output import Quality


@dataclass(frozen=True)
class NewClip:
    """A clip to be cut. Times are seconds of the recording, or `ss.fff`, `mm:ss.fff`, `hh:mm:ss.fff`.

    What is None is left to the service. `more` is for fields that a newer service knows.
    """

    hand_id: str
    nas_video_path: str
    start_seconds: float | str
    end_seconds: float | str
    output_quality: Quality | None = None
    mode: Mode | None = None
    priority: Priority | None = None
    pre_roll_seconds: float | str | None = None
    post_roll_seconds: float | str | None = None
    output: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] | None = None
    client_item_id: str | None = None
    """Of a clip in a batch: given back with what became of it."""
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """As the service takes it."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "more"}
        return {name: value for name, value in own.items() if value is not None} | dict(self.more)
