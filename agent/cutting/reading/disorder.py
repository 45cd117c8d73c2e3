"""Rejects recordings with wrong times: frames are stored in another order than they are shown in, and the
file does not state it. Players show such a video differently each time, and no cut of it can be correct.
"""

from __future__ import annotations

from itertools import pairwise

import av
import av.container

from agent.cutting.formats.streams import tick_of, video_stream
from agent.cutting.plan.plan import Plan
from agent.cutting.reading.seek import tick_from
from clipping.errors import SourceCorrupt

_FRAMES = 24
"""How many frames are decoded: two or three of the groups that encoders reorder within."""


def refuse_disorder(container: av.container.InputContainer, plan: Plan) -> None:
    """Raise `SourceCorrupt` when decoded frames near the range have times that go backward."""
    if plan.video_stream.video is None or not plan.video_stream.video.reorder_frames:
        return
    video = video_stream(container, plan.video_stream.index)
    shown: list[int] = []
    try:
        container.seek(tick_from(plan.start, tick_of(video)), stream=video, backward=True)
        for packet in container.demux(video):
            shown += [frame.pts for frame in video.codec_context.decode(packet) if frame.pts is not None]
            if len(shown) >= _FRAMES or packet.size == 0:
                break
    except av.error.FFmpegError:
        return  # the encode reports what can't be decoded
    if any(later <= earlier for earlier, later in pairwise(shown)):
        name = plan.video_stream.codec
        raise SourceCorrupt(
            f"the times of the recording's frames contradict the display order of its {name} stream: "
            "it is damaged, and every clip of it would jump"
        )
