"""Encodes a few frames in memory: real packets and stream headers, without a file or a process."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import av
import av.codec.context
import numpy as np

from agent.cutting.formats.packets import packet_of

SIDE = 64
"""Width and height of the frames."""
_RATE = Fraction(25)


@dataclass(frozen=True)
class Encoded:
    """The output of an encoder."""

    codec: str
    """`h264` or `hevc`."""
    extradata: bytes
    """The stream's headers; empty when they are in the packets."""
    payloads: tuple[bytes, ...]
    """In decoding order."""
    order: tuple[int, ...]
    """The number of the frame in each packet; frames are numbered from 0 in display order."""


@cache
def encoded(encoder: str, frames: int, parameters: str = "", *, global_header: bool = True) -> Encoded:
    """Encode distinct frames as an Annex B stream.

    `encoder`: `libx264` or `libx265`; `parameters`: in its own syntax.
    """
    context: Any = av.CodecContext.create(encoder, "w")
    _configure(context, encoder, parameters)
    if global_header:
        context.flags |= av.codec.context.Flags.global_header
    context.open()
    packets = [p for number in range(frames) for p in context.encode(_frame(number))] + context.encode(None)
    return Encoded(
        codec="h264" if encoder == "libx264" else "hevc",
        extradata=bytes(context.extradata or b""),
        payloads=tuple(bytes(packet) for packet in packets),
        order=tuple(packet.pts for packet in packets),
    )


@cache
def encoded_in_mp4(encoder: str, frames: int, parameters: str = "") -> Encoded:
    """Like `encoded`, with headers and packets as libavformat writes them into an MP4 file."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream(encoder, rate=_RATE)
        _configure(stream.codec_context, encoder, parameters)
        for number in range(frames):
            container.mux(stream.encode(_frame(number)))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        video = container.streams.video[0]
        packets: list[Any] = [packet for packet in container.demux(video) if packet.size]
        rank = {pts: number for number, pts in enumerate(sorted(packet.pts for packet in packets))}
        return Encoded(
            codec=video.codec_context.codec.canonical_name,
            extradata=bytes(video.codec_context.extradata or b""),
            payloads=tuple(bytes(packet) for packet in packets),
            order=tuple(rank[packet.pts] for packet in packets),
        )


def decoded_order(codec: str, extradata: bytes, payloads: Sequence[bytes], order: Sequence[int]) -> list[int]:
    """The numbers of the frames that a strict decoder returns for these packets, in its order.

    Raises `av.error.FFmpegError` for a packet that it can't decode.
    """
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.extradata = extradata
    decoder.options = {"err_detect": "explode"}
    decoder.thread_count = 1
    frames = []
    for payload, number in zip(payloads, order, strict=True):
        packet = packet_of(payload)
        packet.pts = packet.dts = number
        frames += decoder.decode(packet)
    return [frame.pts for frame in [*frames, *decoder.decode(None)]]


def _configure(context: Any, encoder: str, parameters: str) -> None:
    context.width = context.height = SIDE
    context.pix_fmt = "yuv420p"
    context.framerate, context.time_base = _RATE, 1 / _RATE
    quiet = "log-level=none:" if encoder == "libx265" else ""
    context.options = {"preset": "ultrafast", f"{encoder.removeprefix('lib')}-params": quiet + parameters}


def _frame(number: int) -> av.VideoFrame:
    ramp = np.arange(SIDE, dtype=np.int64) * 3
    luma = ((ramp[None, :] + ramp[:, None] + number * 7) % 256).astype(np.uint8)
    frame = av.VideoFrame.from_ndarray(luma, format="gray").reformat(format="yuv420p")
    frame.pts, frame.time_base = number, 1 / _RATE
    return frame
