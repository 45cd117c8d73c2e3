"""What the agent counts, in Prometheus terms. Served by `health/` at `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

CLIPS = Counter("clipping_clips_total", "Clips settled by this agent", ["status", "code"])
RETRIES = Counter(
    "clipping_retries_total",
    "Errors after which the clip is tried again: a step of the same attempt, or another attempt",
    ["code", "scope"],
)
POSTERS = Counter(
    "clipping_posters_total",
    "Clips and reels by what became of their poster and contact sheet: stored, left_out",
    ["result"],
)
SOURCE_BYTES = Counter("clipping_source_bytes_total", "Bytes read from recordings in buckets")
SECONDS = Histogram(
    "clipping_clip_seconds",
    "From taking a request to its published completion",
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800),
)
CHECKPOINT_UPLOADS = Counter(
    "clipping_checkpoint_uploads_total",
    "Finished segments of long encodes that were kept in the store: stored, failed",
    ["result"],
)
RESUMED = Counter(
    "clipping_resumed_total",
    "Long encodes that went on behind finished segments, from this agent's disk or from the store",
    ["source"],
)
PREVIEWS = Counter(
    "clipping_previews_total", "Calls of the preview service by their result", ["call", "status"]
)
PREVIEW_SECONDS = Histogram(
    "clipping_preview_seconds",
    "How long calls of the preview service took, the wait for a slot included",
    ["call"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
PREVIEW_CACHE = Counter(
    "clipping_preview_cache_total",
    "Look-ups in the disk cache of previews: hit, miss, damaged",
    ["result"],
)
PREVIEW_CACHE_BYTES = Gauge("clipping_preview_cache_bytes", "What cached previews take up on disk")
CATALOG_SCANS = Counter(
    "clipping_catalog_scans_total",
    "Scans of a root for the catalogue: scanned, unavailable (the root), not_stored",
    ["result"],
)
CATALOG_SECONDS = Histogram(
    "clipping_catalog_scan_seconds",
    "How long a complete scan of a root took",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000),
)
CATALOG_RECORDINGS = Gauge("clipping_catalog_recordings", "Recordings in this agent's catalogue")
CATALOG_BYTES = Counter("clipping_catalog_written_bytes_total", "Bytes of the catalogue written to the store")
