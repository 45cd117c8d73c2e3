"""What the agent counts, in Prometheus terms. Served by `health/` at `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CLIPS = Counter("clipping_clips_total", "Clips settled by this agent", ["status", "code"])
RETRIES = Counter(
    "clipping_retries_total",
    "Errors after which the clip is tried again: a step of the same attempt, or another attempt",
    ["code", "scope"],
)
SECONDS = Histogram(
    "clipping_clip_seconds",
    "From taking a request to its published completion",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)
