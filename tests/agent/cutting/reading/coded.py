"""A small recording with reordered frames, coded in this process, whose packets a test may change."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np

from agent.cutting.formats.media import VideoInfo
from agent.cutting.plan.plan import Plan, plan_cut
from agent.cutting.plan.spec import CutSpec
from tests.agent.cutting.plan.test_plan import VIDEO, recording, spec, stream

RATE = 25
GOP = 10


def coded(change: Callable[[int, av.Packet], av.Packet], frames: int = 50) -> io.BytesIO:
    """Matroska at 25 frames a second; each packet, numbered as stored, is what `change` returns."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=RATE, width=64, height=48, pix_fmt="yuv420p")
        options = {"preset": "ultrafast", "bf": "2", "g": str(GOP), "sc_threshold": "0", "b-adapt": "0"}
        video.codec_context.options = options
        packets = []
        for number in range(frames):
            pixels = np.full((48, 64, 3), 5 * number, np.uint8)
            pixels[:, number : number + 8] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            packets += video.encode(frame)
        packets += video.encode(None)
        for number, packet in enumerate(packets):
            out.mux(change(number, packet))
    file.seek(0)
    return file


def plan_of(start: str, end: str, **video: int) -> Plan:
    """The plan of a clip of it. `video`: differences from the usual result of the probe."""
    video_info: VideoInfo = replace(VIDEO, **video)  # type: ignore[arg-type]
    info = replace(recording(stream(0, "video", "h264", video=video_info)), zero=Fraction(0))
    wanted: CutSpec = spec(start, end)
    return plan_cut(info, wanted, "copy")
