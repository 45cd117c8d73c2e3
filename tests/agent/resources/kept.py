"""A clip's folder with segments of a long encode, whose content is random."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clipping.contract.checkpoint import FILE, CheckpointFile, segment_name

SEGMENTS = 5


class KeptClip:
    """What an agent keeps of the clip `clip-1`."""

    def __init__(self, folder: Path, *, agent_id: str = "nas-1", **over: Any) -> None:
        self.folder, self.agent_id, self.over = folder, agent_id, over
        folder.mkdir(parents=True, exist_ok=True)

    def finish(self, count: int, size: int = 1000) -> CheckpointFile:
        """Finish segments until there are `count`."""
        for number in range(count):
            segment = self.folder / segment_name(number)
            if not segment.exists():
                segment.write_bytes(os.urandom(size + number))
        fields: dict[str, Any] = {
            "frame": 250 * count,
            "total": 250 * SEGMENTS,
            "segment": count,
            "segments": SEGMENTS,
            "request_id": "clip-1",
            "spec_hash": "spec",
            "agent_id": self.agent_id,
            "created_at": datetime.now(UTC),
            "source_size": 5,
            "source_mtime_ns": 6,
            "recipe": "recipe",
            "encoder": "libx264",
            "sizes": tuple(size + number for number in range(count)),
            "frames": (250,) * count,
        }
        file = CheckpointFile.model_validate({**fields, **self.over})
        part = self.folder / f"{FILE}.part"
        part.write_text(file.model_dump_json(exclude_none=True))
        part.replace(self.folder / FILE)
        return file

    def contents(self) -> dict[str, bytes]:
        """The segments, by name."""
        return {path.name: path.read_bytes() for path in sorted(self.folder.glob("segment-*"))}
