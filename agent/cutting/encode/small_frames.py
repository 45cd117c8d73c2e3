"""Reads the frames of a clip at a small size, in grey: what an analysis sees of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg
import numpy as np
import numpy.typing as npt

from agent.cutting.encode.encoder_options import time_base_option
from agent.cutting.encode.ffmpeg import Limits, Running
from agent.cutting.encode.pipeline import ONLY_PIPES
from agent.cutting.encode.section_arguments import input_options
from agent.cutting.encode.video_filters import selected
from agent.cutting.formats.media import MediaInfo
from agent.cutting.formats.streams import tick_of
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.shape import shown_size
from agent.cutting.plan.spec import CutSpec
from agent.cutting.process.budget import nothing_found
from agent.cutting.process.stall import usage
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import SourceFile
from clipping.contract.output import AS_IS
from clipping.errors import EncoderFailed

LONGER_SIDE = 160
"""Pixels. A subject of a twentieth of the frame's width has 8 of them."""
_SHORTEST_SIDE = 16
_LOOK_SECONDS = 0.5

Grey = npt.NDArray[np.float32]


def small_size(shown: tuple[int, int]) -> tuple[int, int]:
    """The width and height of the small frames of a video that is shown with this one."""
    scale = LONGER_SIDE / max(shown)
    width, height = (max(_SHORTEST_SIDE, 2 * round(side * scale / 2)) for side in shown)
    return width, height


def small_frames_command(
    program: Path,
    recording: str,
    info: MediaInfo,
    plan: Plan,
    frames: Frames,
    spec: CutSpec,
    *,
    from_start: bool,
) -> list[str]:
    """What writes them as NUT to its standard output, with the clip's times before any change of speed."""
    video = plan.video_stream.video
    assert video is not None
    tick = plan.video_stream.time_base
    stream = ffmpeg.input(recording, **input_options(info, frames, from_start=from_start))["V:0"]
    # So small, fields and HDR make no difference. Damaged data may lack the first frame.
    progressive, as_recorded = replace(video, interlaced=False), replace(spec, output=AS_IS)
    stream = selected(stream, progressive, tick, frames, as_recorded, gaps=True, section=None)
    width, height = small_size(shown_size(video, AS_IS))
    stream = stream.filter("scale", width, height, flags="area").filter("format", "gray")
    options = {
        "c:v": "rawvideo",
        "fps_mode": "passthrough",
        "enc_time_base:v": time_base_option(tick),
        "f": "nut",
    }
    output = ffmpeg.output(stream, "pipe:1", **options).global_args("-nostdin", "-v", "error")
    command: list[str] = ffmpeg.compile(output, cmd=str(program))
    return command


def read_small_frames(
    command: list[str],
    add: Callable[[float, Grey], None],
    *,
    source: SourceFile,
    seconds: Fraction,
    limits: Limits,
    progress: Callable[[float], None],
    started: Callable[[int | None], None],
) -> None:
    """Call `add` with the time and the luma of each frame, on a thread of its own.

    `seconds`: the clip's length; the rest and the errors as `ffmpeg.run`.
    """
    try:
        with Running(command, source=source, limits=limits) as decoder:
            started(decoder.pid)
            reader = _Reader(decoder, add, float(seconds))
            with ThreadPoolExecutor(1, thread_name_prefix="small-frames") as thread:
                try:
                    reading = thread.submit(reader.run)
                    while not wait([reading], timeout=_LOOK_SECONDS).done and not decoder.hopeless:
                        if reader.moved(limits.idle_bytes):
                            progress(reader.share)
                except BaseException:
                    decoder.kill()
                    raise
                if decoder.hopeless:
                    decoder.kill()
            decoder.result()
            reading.result()
    finally:
        started(None)
    progress(1.0)


class _Reader:
    """Reads frames from an ffmpeg."""

    def __init__(self, decoder: Running, add: Callable[[float, Grey], None], seconds: float) -> None:
        self._decoder, self._add, self._seconds = decoder, add, seconds
        self.share = 0.0
        """0 to 1: how much is read."""
        self._begun = False
        self._seen: object = None
        self._found, self._read = -1.0, 0

    def run(self) -> None:
        """Read all. Raises `EncoderFailed`."""
        try:
            with av.open(f"pipe:{self._decoder.stdout.fileno()}", format="nut", options=ONLY_PIPES) as frames:
                video = frames.streams.video[0]
                tick, size = tick_of(video), (video.codec_context.height, video.codec_context.width)
                for packet in frames.demux([video]):
                    if packet.size != size[0] * size[1] or packet.pts is None:
                        continue  # the end
                    self._begun = True
                    time = float(packet.pts * tick)
                    grey = np.frombuffer(memoryview(packet), np.uint8).reshape(size)
                    self._add(time, grey.astype(np.float32))
                    self.share = min(1.0, max(self.share, time / self._seconds))
        except av.error.FFmpegError as error:
            if self._begun:
                raise EncoderFailed(f"the small frames can't be read: {error.strerror}") from error
            # It has found no frame, as the encode is going to notice, or has failed, which its end says.

    def moved(self, idle_bytes: int) -> bool:
        """Whether the decoder does anything. Raises `SourceCorrupt` when it finds nothing in `idle_bytes`."""
        used = usage(self._decoder.pid)
        if used is not None:
            if self.share > self._found:
                self._found, self._read = self.share, used.read
            elif used.read - self._read > idle_bytes:
                raise nothing_found(idle_bytes)
        before, self._seen = self._seen, used and used.helper_work
        return before != self._seen
