"""Objects as the previous version of the local store wrote them: the record beside the data."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path
from typing import Any


def write_former_clip(store: Path, key: str, data: bytes) -> str:
    """A clip; returns its version."""
    place = _place(store, key)
    place.write_bytes(data)
    return _write_record(place, len(data), "video/mp4")


def write_former_small(store: Path, key: str, data: bytes) -> str:
    """A small object, whose record holds the data; returns its version."""
    content = base64.b64encode(data).decode()
    return _write_record(_place(store, key), len(data), "application/json", data=content)


def _place(store: Path, key: str) -> Path:
    place = store / "objects" / key
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _write_record(place: Path, size: int, content_type: str, **more: Any) -> str:
    version = secrets.token_hex(8)
    record = {
        "version": version,
        "size": size,
        "content_type": content_type,
        "created_at": "2026-11-28T12:00:00.123Z",
        "metadata": {"request_id": "r"},
        **more,
    }
    place.with_name(place.name + "@.json").write_text(json.dumps(record))
    return version
