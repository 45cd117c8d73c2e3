"""A typed request for a clip. The service validates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from clipping.contract.choices import Mode, Priority, Quality


@dataclass(frozen=True)
class NewClip:
    """A clip to be cut. Times are seconds of the recording, or `ss.fff`, `mm:ss.fff`, `hh:mm:ss.fff`.

    For None the service uses its default. `more` is for fields of newer versions of the service.
    """

    hand_id: str
    nas_video_path: str | None
    """The recording on the NAS; None with a `source_uri` or `recording_id`."""
    start_seconds: float | str
    end_seconds: float | str
    source_uri: str | None = None
    """The recording in a bucket, or of an upload."""
    recording_id: str | None = None
    """The recording by its id in a listing."""
    output_quality: Quality | None = None
    mode: Mode | None = None
    priority: Priority | None = None
    pre_roll_seconds: float | str | None = None
    post_roll_seconds: float | str | None = None
    output: Mapping[str, Any] | None = None
    effects: Mapping[str, Any] | None = None
    metadata: Mapping[str, str] | None = None
    client_item_id: str | None = None
    """For a clip in a batch: returned with its result."""
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON body for the service."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "more"}
        return {name: value for name, value in own.items() if value is not None} | dict(self.more)
