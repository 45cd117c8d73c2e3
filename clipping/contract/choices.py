"""The values of the contract's fields that more than the messages need: options of the command lines, stages.

Imports no library, so that help, completion and the engine's processes load quickly.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["clip", "reel"]
"""What is requested: one clip, or parts joined into one video."""
Mode = Literal["copy", "smart", "encode"]
Priority = Literal["high", "normal", "low"]
Stage = Literal["waiting", "probing", "cutting", "verifying", "uploading", "retrying"]
PartStage = Literal["waiting", "probing", "cutting", "verifying", "completed"]
TransitionType = Literal["cut", "fade", "dissolve"]
Status = Literal["queued", "processing", "completed", "failed", "cancelled"]
Aspect = Literal["source", "9:16", "16:9", "1:1", "4:5"]
Fit = Literal["center_crop", "smart_crop", "letterbox", "blur"]
Quality = Literal["high", "medium"]
VideoCodec = Literal["h264", "hevc", "copy"]
ContainerName = Literal["mp4", "mov", "mkv"]
Interpolation = Literal["linear", "spline"]
CaptionFormat = Literal["srt", "vtt"]
CaptionsMode = Literal["burn", "track"]
HighlightEffect = Literal["original", "brightness_boost", "dark_overlay", "blur", "spotlight"]
FailoverMode = Literal["graceful", "fast"]
TakeoverCause = Literal["planned", "automatic", "first"]
"""`planned`: someone ordered it. `first`: the cluster had no leader before."""
Period = Literal["24h", "7d", "30d"]
Interval = Literal["hour", "day"]
Beside = Literal["tsv", "poster", "contact_sheet"]
"""What may lie beside a clip or reel: the table of a reel's parts, and two JPEG files."""
DownloadFile = Literal["video", "tsv", "poster", "contact_sheet"]
"""The clip or reel, or what lies beside it."""
