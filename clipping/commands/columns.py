"""The columns of the CSV file of `clipping batch`."""

from __future__ import annotations

REQUIRED = ("hand_id", "start", "end")
RECORDING = ("nas_video_path", "source_uri", "recording_id")
"""Where the recording is: each line has one of them."""
PLAIN = ("output_quality", "mode", "priority", "pre_roll_seconds", "post_roll_seconds")
"""Fields of a request, by their own names."""
TEXT = ("aspect", "fit", "quality", "video_codec", "container")
"""Fields of its `output`."""
NUMBER = ("width", "height", "max_bytes", "fps")
"""Fields of its `output` that are numbers."""
SWITCH = ("audio",)
"""Fields of its `output` that are `true` or `false`."""
EFFECTS = "effects"
"""A field of a request that is a JSON object."""
OPTIONAL = (
    *PLAIN,
    "client_item_id",
    *(f"output.{name}" for name in (*TEXT, *NUMBER, *SWITCH)),
    EFFECTS,
    "metadata.NAME",
)
