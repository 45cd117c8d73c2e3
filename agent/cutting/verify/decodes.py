"""Checks whether a finished clip can be decoded: in full, or where errors are most likely."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.container
from av.video.frame import VideoFrame

from agent.cutting.formats.streams import tick_of
from agent.cutting.reading.source import OPENING, decoder_options

EDGE_SECONDS = Fraction(1)
"""How much of both ends is decoded."""
BEFORE_JOINT, AFTER_JOINT = Fraction(3, 10), Fraction(1, 2)
"""Seconds decoded around a place where frames of two encoders meet."""
_WITH_HIDDEN_FRAMES = frozenset({"vp8", "libvpx"})
"""In these a packet may hold a frame that is only there for others to build on."""
_STRICT = {"err_detect": "explode", "skip_loop_filter": "all"}
"""As strict as Chromium, for which every decoding error is fatal. The deblocking filter reads no bits: to
leave it out hides no error and saves a third of the work."""
_STRICT_AUDIO = {"err_detect": "explode"}
_AT_ONCE = 2
"""A clip has two ends. On two processors, beside the writer, both at once were the quicker way as well."""


class Rejected(Exception):
    """The clip differs from the plan. The text says how."""


class Undecodable(Rejected):
    """A part of the clip can't be decoded."""


@dataclass(frozen=True)
class Part:
    """A stretch of the clip, in seconds."""

    start: Fraction
    end: Fraction


def parts(duration: Fraction, joints: Iterable[Fraction]) -> list[Part]:
    """The decoded parts of a long clip: both ends and the splice points; adjacent parts are merged."""
    around = [Part(max(Fraction(0), at - BEFORE_JOINT), min(duration, at + AFTER_JOINT)) for at in joints]
    ends = [
        Part(Fraction(0), min(EDGE_SECONDS, duration)),
        Part(max(Fraction(0), duration - EDGE_SECONDS), duration),
    ]
    merged: list[Part] = []
    for part in sorted([*ends, *around], key=lambda p: p.start):
        if merged and part.start <= merged[-1].end:
            merged[-1] = Part(merged[-1].start, max(merged[-1].end, part.end))
        else:
            merged.append(part)
    return merged


def decode_whole(path: Path, duration: Fraction, progress: Callable[[float], None]) -> None:
    """Decode all of a clip of `duration` seconds; `progress` gets 0 to 1. Raises `Rejected`."""
    with open_clip(path) as clip:
        clip.streams.video[0].thread_type = "AUTO"
        _decode(
            clip, Part(Fraction(0), duration), lambda at: progress(max(0.0, min(1.0, float(at / duration))))
        )


def decode_parts(path: Path, wanted: Iterable[Part]) -> None:
    """Decode parts of a clip, both ends at once. Raises `Rejected`."""

    def decode(part: Part) -> None:
        with open_clip(path) as clip:
            # Beside the file's writer, decoders of one thread waste less than one of several.
            clip.streams.video[0].codec_context.thread_count = 1
            _decode(clip, part, lambda _: None)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="clip-verify") as pool:
        for done in [pool.submit(decode, part) for part in wanted]:
            done.result()


def open_clip(path: Path) -> av.container.InputContainer:
    """The clip as a strict player opens it."""
    clip: av.container.InputContainer = av.open(f"file:{path}", **OPENING)
    for video in clip.streams.video:
        video.codec_context.options = _STRICT | decoder_options()
    for audio in clip.streams.audio:
        audio.codec_context.options = dict(_STRICT_AUDIO)
    return clip


def _decode(clip: av.container.InputContainer, part: Part, reached: Callable[[Fraction], None]) -> None:
    """Decode a part, from the keyframe before it, and the audio beside it; `reached` gets the second."""
    video = clip.streams.video[0]
    begin = int(part.start / tick_of(video))
    clip.seek(begin, stream=video, backward=True)
    fed: list[int] = []
    shown: list[int | None] = []
    for packet in clip.demux([video, *clip.streams.audio]):
        if packet.size == 0:
            continue  # the end: what the decoder holds back comes below
        if packet.stream_index == video.index and packet.pts is not None:
            # Before the part, only reference frames are needed.
            video.codec_context.skip_frame = "NONREF" if packet.pts < begin else "DEFAULT"
        frames = packet.decode()
        if packet.stream_index == video.index:
            if packet.pts is None:
                raise Rejected("one of its frames has no time")
            fed.append(packet.pts)
            shown += [frame.pts for frame in frames if isinstance(frame, VideoFrame)]
            if packet.dts is None:
                continue
            at = packet.dts * packet.time_base
            if at > part.end:
                break
            reached(at)
    shown += [frame.pts for frame in video.codec_context.decode(None)]
    _check_decoded(fed, shown, part, begin, hidden=video.codec_context.name in _WITH_HIDDEN_FRAMES)


def _check_decoded(fed: list[int], shown: list[int | None], part: Part, begin: int, *, hidden: bool) -> None:
    """Every packet must give its frame, in order. Files exist whose times are in another order than that in
    which their frames are shown, and some decoders keep the last frame of a stream to themselves."""
    if not shown or not fed:
        raise Undecodable(f"no frame at {float(part.start):.1f} s of it can be decoded")
    # Frames before the keyframe need others from before it.
    begin = max(begin, fed[0])
    expected = sorted(pts for pts in fed if pts >= begin)
    if not hidden and [pts for pts in shown if pts is None or pts >= begin] != expected:
        raise Undecodable(f"its frames at {float(part.start):.1f} s come out in another order, or not all")
