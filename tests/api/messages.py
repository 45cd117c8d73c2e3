"""Messages as agents send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from clipping.contract.messages import CompletionMessage, ProgressMessage

NOW = datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
REQUEST_ID = "clip-20261120-8t3vq0z6m4k1h9pn"
REEL_ID = "reel-20261120-2c9w7n4x0d6s5hqm"


def progress(**over: Any) -> ProgressMessage:
    fields: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "stage": "cutting",
        "progress_percent": 50.0,
        "agent_id": "nas-1",
        "epoch": 0,
        "attempt": 1,
        "seq": 1,
    }
    return ProgressMessage(**{**fields, **over})


def retrying(code: str = "STORE_UNAVAILABLE", **over: Any) -> ProgressMessage:
    error = {"code": code, "message": "the store can't be reached", "at": NOW}
    return progress(
        **{"stage": "retrying", "last_error": error, "next_attempt_at": NOW + timedelta(seconds=10), **over}
    )


def completed(**over: Any) -> CompletionMessage:
    fields: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "hand_id": "hand-1",
        "status": "completed",
        "agent_id": "nas-1",
        "epoch": 0,
        "attempt": 1,
        "completed_at": NOW,
        "output_gcs_path": f"clips/hand-1/{REQUEST_ID}.mp4",
        "output_uri": f"file:///store/clips/hand-1/{REQUEST_ID}.mp4",
        "download_url": "http://127.0.0.1:8000/v1/files/x",
        "download_url_expires_at": datetime(2100, 1, 1, tzinfo=UTC),  # tests run at any time
        "file_size_bytes": 1000,
        "sha256": "0" * 64,
        "duration_seconds": 30.0,
        "processing_time_seconds": 1.5,
        "report": {
            "mode": "copy",
            "requested": {"start": 1.0, "end": 31.0},
            "actual": {"start": 0.5, "end": 31.0},
            "keyframe_lead_seconds": 0.5,
            "frames": 750,
            "reencoded_seconds": 0.0,
            "video": {"codec": "h264", "width": 1920, "height": 1080, "fps": 25.0},
            "audio": [{"codec": "aac"}],
            "dropped_streams": [],
        },
    }
    return CompletionMessage(**{**fields, **over})


def failed(code: str = "SOURCE_CORRUPT", **over: Any) -> CompletionMessage:
    fields: dict[str, Any] = {
        "request_id": REQUEST_ID,
        "hand_id": "hand-1",
        "status": "failed",
        "agent_id": "nas-1",
        "epoch": 0,
        "attempt": 1,
        "completed_at": NOW,
        "error": {"code": code, "message": "the recording can't be read"},
        "error_message": "the recording can't be read",
    }
    return CompletionMessage(**{**fields, **over})
