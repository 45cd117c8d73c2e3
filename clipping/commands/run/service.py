"""Shared by the commands that call the service: the connection, and a clip in words."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from clipping.client import Client, ClipStatus


def connect(arguments: argparse.Namespace) -> Client:
    """The client for the options. Raises `ConfigurationError`."""
    return Client(arguments.url, key=arguments.key)


def retry_words(clip: ClipStatus, now: datetime) -> str:
    """Why a clip waits for a retry, and for how long. Pure."""
    code = f" after {clip.last_error.code}" if clip.last_error else ""
    attempt = f" (attempt {clip.attempt})" if clip.attempt else ""
    left = (clip.next_attempt_at - now).total_seconds() if clip.next_attempt_at else 0.0
    # The time may have passed, as it is an estimate and clocks may differ.
    when = f"next try in {left:.0f} s" if left >= 1 else "next try soon"
    return f"retrying{code}{attempt}, {when}"


def outcome(clip: ClipStatus) -> str:
    """A request in one line."""
    match clip.status:
        case "completed":
            size = f", {clip.file_size_bytes / 1e6:.1f} MB" if clip.file_size_bytes is not None else ""
            length = f"{clip.duration_seconds:.3f} s" if clip.duration_seconds is not None else "the clip"
            return f"completed: {length}{size}"
        case "failed":
            code = f"{clip.error.code}: " if clip.error else ""
            return f"failed: {code}{clip.error_message or 'no reason given'}"
        case "processing" if clip.stage == "retrying":
            return f"processing: {retry_words(clip, datetime.now(UTC))}"
        case "processing":
            stage = clip.stage or "processing"
            return f"processing: {stage} {clip.progress_percent or 0:.0f} %"
        case _:
            return clip.status
