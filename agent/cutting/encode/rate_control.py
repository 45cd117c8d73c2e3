"""How many bits a second video and audio may take, so that the file keeps within its limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.plan.encoders import RateCap
from agent.cutting.plan.shape import named_size
from agent.cutting.plan.spec import CutSpec
from clipping.contract.choices import Quality
from clipping.errors import OutputTooLarge

AUDIO_BITS: dict[Quality, int] = {"high": 192_000, "medium": 128_000}
"""A second, for each track."""
FIRST_SHARE = 0.97
"""Of a size limit, to begin with: encoders only come near the rate they get."""
_AGAIN = 0.95
_PLAIN_MEDIUM = RateCap(2_000_000, 4_000_000)
"""What `medium` has always meant to callers who name no output."""
_PUBLISHED: dict[Quality, int] = {"high": 7_400_000, "medium": 3_600_000}
"""Of 1080x1920: a minute with its audio stays under 60 and 30 MB, however restless the video."""
_PUBLISHED_PIXELS = 1080 * 1920
_LEAST_BITS = 16_000
_LEAST_AUDIO_BITS = 24_000
_AUDIO_SHARE = 4
"""Audio gets at most a quarter of a limit."""
_FRAME_BYTES, _PACKET_BYTES, _FILE_BYTES = 24, 12, 8_000
"""What a container needs for a frame, for a packet of audio, and by itself."""
_PACKET_SECONDS = Fraction(1024, 48_000)


@dataclass(frozen=True)
class Rates:
    """Bits a second."""

    cap: RateCap | None
    """At most, for the video."""
    audio: int
    """For each track."""


def refined(spec: CutSpec) -> bool:
    """Whether the clip is reshaped: it will be published, and is worth a slower encode."""
    return spec.refined or spec.output.aspect != "source" or spec.effects.framing is not None


def is_capped(spec: CutSpec) -> bool:
    """Whether the clip's bit rate has a limit, however long it is."""
    return spec.output.max_bytes is not None or _usual(spec) is not None


def rates(
    spec: CutSpec,
    *,
    seconds: Fraction,
    frames: int,
    tracks: int,
    share: float = FIRST_SHARE,
    segments: int = 1,
) -> Rates:
    """The rates of a clip. `share`: how much of `max_bytes` to aim for; `segments`: how many encodes it is
    made of.

    Raises `OutputTooLarge` when no watchable video fits into `max_bytes`.
    """
    output, quality = spec.output, spec.quality
    usual = _shared(_usual(spec), seconds, segments)
    if output.max_bytes is None:
        return Rates(usual, AUDIO_BITS[quality])
    around = _FILE_BYTES + _FRAME_BYTES * frames + int(_PACKET_BYTES * tracks * seconds / _PACKET_SECONDS)
    bits = (output.max_bytes - around) * 8 * share
    audio = AUDIO_BITS[quality]
    if tracks:
        fair = int(bits / float(seconds) / _AUDIO_SHARE / tracks)
        audio = min(audio, max(_LEAST_AUDIO_BITS, fair))
    # An encoder may use up its window of a second beside the rate, in each segment.
    video = int((bits - audio * tracks * float(seconds)) / (float(seconds) + segments))
    if video < _LEAST_BITS:
        needed = around + int(
            (_LEAST_BITS * (seconds + segments) + _LEAST_AUDIO_BITS * tracks * seconds) / 8 / share
        )
        raise OutputTooLarge(
            f"a clip of {float(seconds):.1f} s does not fit into {output.max_bytes} bytes: set "
            f"output.max_bytes to at least {needed}, or request a shorter clip"
        )
    if usual is not None and usual.bits <= video:
        return Rates(usual, audio)
    return Rates(RateCap(video, video), audio)


def second_share(limit: int, size: int) -> float:
    """How much of a limit to aim for after a first try came out at `size` bytes, above it."""
    return FIRST_SHARE * _AGAIN * limit / size


def _shared(cap: RateCap | None, seconds: Fraction, segments: int) -> RateCap | None:
    """The cap with which a clip in segments is as large as with `cap` in one piece: every further segment may
    use up the window once more."""
    if cap is None or segments == 1:
        return cap
    window = Fraction(cap.window, cap.bits)
    return RateCap(int(cap.bits * (seconds + window) / (seconds + segments * window)), cap.window)


def _usual(spec: CutSpec) -> RateCap | None:
    output, quality = spec.output, spec.quality
    size = named_size(output, spec.effects)
    if refined(spec) and size is not None:
        width, height = size
        bits = _PUBLISHED[quality] * max(_PUBLISHED_PIXELS, width * height) // _PUBLISHED_PIXELS
        return RateCap(bits, bits)
    return _PLAIN_MEDIUM if quality == "medium" and output.asked().keys() <= {"audio"} else None
