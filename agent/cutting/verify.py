"""Looks into a finished clip before anybody is told of it. Exit codes prove nothing: a full disk, a signal or
an end of file all leave short files that look valid.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.container

from agent.cutting.mp4 import top_level
from agent.cutting.outcome import Outcome
from agent.cutting.source import DEMUXERS

EDGE_SECONDS = Fraction(1)
"""How much of both ends is decoded."""
SYNC_SECONDS = Fraction(20, 1000)
"""How far sound and picture may be apart from what was planned."""
SOUND_END_SECONDS = Fraction(100, 1000)
"""How far the end of a sound track may be from what was planned."""
START_SECONDS = Fraction(1, 1000)


class Rejected(Exception):
    """The clip is not what was planned. The text says in what."""


@dataclass(frozen=True)
class Facts:
    """What was found in a good clip."""

    duration: Fraction
    """Seconds of picture."""
    width: int
    height: int
    fps: float


def verify(outcome: Outcome) -> Facts:
    """Check the file against the plan and decode its edges. Raises `Rejected`."""
    if outcome.plan.container.boxed:
        _check_boxes(outcome.path)
    options = {"protocol_whitelist": "file", "format_whitelist": DEMUXERS}
    try:
        with av.open(f"file:{outcome.path}", options=options) as clip:
            _check_streams(clip, outcome)
            facts = _check_packets(clip, outcome)
        with av.open(f"file:{outcome.path}", options=options) as clip:
            _decode_edges(clip, facts.duration)
    except av.error.FFmpegError as error:
        raise Rejected(f"it can't be read back: {error.strerror}") from error
    return facts


def _check_boxes(path: Path) -> None:
    try:
        order = [box.type for box in top_level(path)]
    except ValueError as error:
        raise Rejected(str(error)) from error
    if "moov" not in order or "mdat" not in order or order[0] != "ftyp":
        raise Rejected(f"its boxes are {', '.join(order)}")
    if order.index("moov") > order.index("mdat"):
        raise Rejected("its index is behind the data")


def _check_streams(clip: av.container.InputContainer, outcome: Outcome) -> None:
    found = [(s.type, _codec(s)) for s in clip.streams]
    video = outcome.plan.movie.codec if outcome.encoder is None else "h264"
    planned = [("video", video), *(("audio", s.codec) for s in outcome.sound)]
    if found != planned:
        raise Rejected(f"it holds {found} and should hold {planned}")


def _codec(stream: Any) -> str:
    return str(stream.codec_context.codec.canonical_name) if stream.codec_context is not None else "none"


def _check_packets(clip: av.container.InputContainer, outcome: Outcome) -> Facts:
    shown: list[int] = []
    last_dts: dict[int, int] = {}
    sound: dict[int, list[Fraction]] = {}
    video: Any = clip.streams.video[0]
    ordered = outcome.plan.container.boxed
    for packet in clip.demux():
        if packet.dts is None:
            continue
        index = packet.stream_index
        if ordered and packet.dts <= last_dts.get(index, packet.dts - 1):
            raise Rejected(f"the decoding times of stream {index} don't grow")
        last_dts[index] = packet.dts
        if packet.pts is None or (ordered and packet.pts < packet.dts):
            raise Rejected(f"a picture of stream {index} is shown before it is decoded")
        if index == video.index:
            shown.append(packet.pts)
        else:
            start, end = (
                packet.pts * packet.time_base,
                (packet.pts + (packet.duration or 0)) * packet.time_base,
            )
            sound.setdefault(index, [start, end])[1] = end
    shown.sort()
    _check_picture(shown, outcome, video.time_base)
    _check_sound(sound, outcome)
    duration = outcome.end - outcome.start
    fps = float(len(shown) / duration) if duration else 0.0
    return Facts(duration, video.codec_context.width, video.codec_context.height, fps)


def _check_picture(shown: list[int], outcome: Outcome, time_base: Fraction) -> None:
    if len(shown) != outcome.frames:
        raise Rejected(f"it has {len(shown)} frames and should have {outcome.frames}")
    if any(a == b for a, b in pairwise(shown)):
        raise Rejected("two frames are shown at one time")
    if abs(shown[0] * time_base) > START_SECONDS:
        raise Rejected(f"its first frame is shown at {float(shown[0] * time_base):.3f} s")
    last, planned = shown[-1] * time_base, outcome.last - outcome.start
    if abs(last - planned) > outcome.frame_seconds:
        raise Rejected(f"its last frame is shown at {float(last):.3f} s, not at {float(planned):.3f} s")


def _check_sound(found: dict[int, list[Fraction]], outcome: Outcome) -> None:
    for index, planned in enumerate(outcome.sound, start=1):
        if index not in found:
            raise Rejected(f"sound track {index} is empty")
        start, end = found[index]
        # What players skip, before 0, is no part of the clip.
        off = max(start, Fraction(0)) - max(planned.start, Fraction(0))
        if abs(off) > SYNC_SECONDS:
            raise Rejected(f"sound track {index} begins {float(off) * 1000:.0f} ms off")
        if abs(end - planned.end) > SOUND_END_SECONDS:
            raise Rejected(f"sound track {index} ends at {float(end):.3f} s, not {float(planned.end):.3f} s")


def _decode_edges(clip: av.container.InputContainer, duration: Fraction) -> None:
    video: Any = clip.streams.video[0]
    for stream in clip.streams.video:
        # As strict as Chromium, for which every decoding error is fatal.
        stream.codec_context.options = {"err_detect": "explode"}
        stream.thread_type = "AUTO"
    frames = _decode(clip, EDGE_SECONDS)
    if duration > EDGE_SECONDS:
        clip.seek(int((duration - EDGE_SECONDS) / video.time_base), stream=video, backward=True)
        frames = min(frames, _decode(clip, None))
    if frames == 0:
        raise Rejected("none of its pictures can be decoded")


def _decode(clip: av.container.InputContainer, upto: Fraction | None) -> int:
    """Decode from here to `upto` seconds or to the end; the number of pictures."""
    frames = 0
    for packet in clip.demux():
        if packet.size == 0:
            continue  # the end: what the decoders hold back comes below
        frames += sum(isinstance(frame, av.VideoFrame) for frame in packet.decode())
        if upto is not None and packet.dts is not None and packet.dts * packet.time_base > upto:
            break
    for stream in clip.streams.video:
        frames += len(stream.codec_context.decode(None))
    return frames
