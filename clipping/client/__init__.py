"""A typed client of the clipping API.

    with Client("https://clips.example.com", key=key) as client:
        accepted = client.request(NewClip("hand-154", "/nas/table-7.mp4", "4:15.2", "5:05.2", mode="smart"))
        clip = client.wait(accepted.request_id, timeout=600)
        print(clip.status, clip.download_url)

Every call has a timeout. Idempotent calls are retried: reads, and requests for clips and failovers, which
have an `Idempotency-Key`, so that a call whose response was lost is not executed twice.
"""

from clipping.client.client import Client
from clipping.client.failures import (
    ApiError,
    Conflict,
    Gone,
    NoAnswer,
    NotAllowed,
    NotFound,
    NotSaved,
    NotUploaded,
    Refused,
    Unavailable,
    WaitedTooLong,
)
from clipping.client.new_clip import NewClip
from clipping.client.new_reel import NewReel
from clipping.client.saving import Saved
from clipping.client.transport import Retries
from clipping.client.watching import Event
from clipping.contract.annotate import Annotations, annotate
from clipping.contract.plan import ClipPlan
from clipping.contract.results import (
    Accepted,
    Agent,
    Batch,
    BatchItem,
    ClipPage,
    ClipStatus,
    Cluster,
    Download,
    Failover,
    Health,
    PauseState,
    Quota,
    ReelAccepted,
    Stats,
    Upload,
)

__all__ = [
    "Accepted",
    "Agent",
    "Annotations",
    "ApiError",
    "Batch",
    "BatchItem",
    "Client",
    "ClipPage",
    "ClipPlan",
    "ClipStatus",
    "Cluster",
    "Conflict",
    "Download",
    "Event",
    "Failover",
    "Gone",
    "Health",
    "NewClip",
    "NewReel",
    "NoAnswer",
    "NotAllowed",
    "NotFound",
    "NotSaved",
    "NotUploaded",
    "PauseState",
    "Quota",
    "ReelAccepted",
    "Refused",
    "Retries",
    "Saved",
    "Stats",
    "Unavailable",
    "Upload",
    "WaitedTooLong",
    "annotate",
]
