"""Uses the generated Python client: run by the generator's Python, with the client on PYTHONPATH.

Arguments: the service's URL, a key and the path of a recording. Prints what the service answered, as JSON.
"""

import json
import sys

from generated import AuthenticatedClient  # type: ignore[import-not-found]  # made by the test
from generated.api.clips import get_clip_status, request_batch, request_clip  # type: ignore[import-not-found]
from generated.api.overview import get_stats  # type: ignore[import-not-found]
from generated.models import BatchClip, BatchRequest, ClipRequest, Period  # type: ignore[import-not-found]

url, key, recording = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=key, raise_on_unexpected_status=True)
accepted = request_clip.sync(
    client=client,
    body=ClipRequest(hand_id="generated-1", nas_video_path=recording, start_seconds=1, end_seconds="0:31"),
)
batch = request_batch.sync(
    client=client,
    body=BatchRequest(
        clips=[
            BatchClip(
                hand_id="generated-2",
                nas_video_path=recording,
                start_seconds=1,
                end_seconds=2,
                client_item_id="a",
            ),
            BatchClip(
                hand_id="generated-3",
                nas_video_path=recording,
                start_seconds=2,
                end_seconds=1,
                client_item_id="b",
            ),
        ]
    ),
)
status = get_clip_status.sync(request_id=accepted.request_id, client=client)
stats = get_stats.sync(client=client, period=Period.LAST_7_DAYS)
print(json.dumps([found.to_dict() for found in (accepted, batch, status, stats)]))
