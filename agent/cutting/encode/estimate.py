"""Estimates how large a clip becomes and how long it takes to make. Pure.

Sizes of encodes depend on the content, so that they are rough. Times are those of two cores of 2023 without
other work: they serve to compare modes, not to set deadlines.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.rate_control import rates, refined
from agent.cutting.formats.media import MediaInfo, VideoInfo
from agent.cutting.plan.encoders import CODECS, EncoderName
from agent.cutting.plan.outcome import Outcome
from agent.cutting.plan.shape import named_size, shown_size
from agent.cutting.plan.spec import CutSpec
from clipping.contract.choices import Quality

_BITS_A_PIXEL: Mapping[Quality, float] = {"high": 0.14, "medium": 0.07}
"""Of H.264 at the constant quality that the encoders are set to, for restless content."""
_OF_RECORDING: Mapping[Quality, float] = {"high": 1.3, "medium": 0.7}
"""At most: bits for a bit of the recording's of as many pixels. An encode keeps its noise and artefacts."""
_HEVC = 0.7
"""Bits of HEVC for a bit of H.264."""
_INDEX_BYTES = 20
"""In the container, for a frame and the audio beside it."""
_FILE_BYTES = 4_000

_BEGIN_SECONDS = 0.15
"""Of every cut: its process, opening, verifying."""
_COPIED_BYTES = 250e6
"""A second: read, written and hashed."""
_EDGE_PIXELS = 25e6
"""A second: decoded from the keyframe on, encoded, verified."""
_DECODED_PIXELS = 200e6
_ENCODED_PIXELS: Mapping[str, float] = {"libx264": 90e6, "libx265": 15e6}
"""A second; of other encoders as `_GPU_PIXELS`."""
_REFINED = 6
"""How many times longer a reshaped clip takes on the CPU, whose encodes are slower and better."""
_GPU_PIXELS = 300e6


def encoded_bytes(spec: CutSpec, clip: ClipFrames, info: MediaInfo, encoder: EncoderName, tracks: int) -> int:
    """About how large an encoded clip becomes. Raises `OutputTooLarge` as the encode would."""
    limits = rates(spec, seconds=clip.seconds, frames=clip.count, tracks=tracks)
    video = info.video_stream.video if info.video_stream is not None else None
    assert video is not None
    seconds = float(clip.seconds)
    pixels = _pixels(spec, video)
    bits = _BITS_A_PIXEL[spec.quality] * pixels * clip.count / seconds
    own = _recorded_bits(info)
    if own is not None:
        share = min(1.0, pixels / (video.width * video.height))
        bits = min(bits, own * share * _OF_RECORDING[spec.quality])
    if CODECS[encoder] == "hevc":
        bits *= _HEVC
    if limits.cap is not None:
        bits = min(bits, limits.cap.bits)
    data = (bits + limits.audio * tracks) * seconds / 8
    size = int(data) + _INDEX_BYTES * clip.count + _FILE_BYTES
    return size if spec.output.max_bytes is None else min(size, spec.output.max_bytes)


def cut_seconds(outcome: Outcome, spec: CutSpec, size: int) -> float:
    """About how long it takes to make the clip of `size` bytes."""
    video = outcome.plan.video_stream.video
    assert video is not None
    own = video.width * video.height
    if outcome.plan.mode != "encode":
        return _BEGIN_SECONDS + size / _COPIED_BYTES + outcome.reencoded_frames * own / _EDGE_PIXELS
    encoder = outcome.encoder or "libx264"
    speed = _ENCODED_PIXELS.get(encoder, _GPU_PIXELS)
    if refined(spec) and encoder in _ENCODED_PIXELS:
        speed /= _REFINED
    decoded = float((outcome.recording_end - outcome.start) * (video.rate or Fraction(25))) * own
    encoded = outcome.frames * _pixels(spec, video)
    return 2 * _BEGIN_SECONDS + decoded / _DECODED_PIXELS + encoded / speed


def _pixels(spec: CutSpec, video: VideoInfo) -> int:
    width, height = named_size(spec.output, spec.effects) or shown_size(video, spec.output)
    return width * height


def _recorded_bits(info: MediaInfo) -> float | None:
    """Bits a second of the recording, all streams together; None when its length is unknown."""
    return None if not info.duration else float(info.identity.size * 8 / info.duration)
