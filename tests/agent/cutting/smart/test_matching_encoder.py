"""Re-encoded frames go into the recording's own packet format, or the cut is made another way."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from agent.cutting.formats.avc import SLICES
from agent.cutting.formats.media import StreamInfo, VideoInfo
from agent.cutting.formats.nal import units
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.smart.matching_encoder import matching
from tests.support.encoded import SIDE, encoded_in_mp4

STREAM = StreamInfo(
    index=0,
    kind="video",
    codec="h264",
    profile="High",
    time_base=Fraction(1, 25),
    start=Fraction(0),
    language=None,
    title=None,
    default=True,
    attached_picture=False,
    video=VideoInfo(
        width=SIDE,
        height=SIDE,
        pix_fmt="yuv420p",
        sample_aspect=Fraction(1),
        rate=Fraction(25),
        interlaced=False,
        rotation=0,
        full_range=False,
        color_space=2,
        color_primaries=2,
        color_transfer=2,
        reorder_frames=0,
    ),
)


def with_length_size(size: int) -> bytes:
    """The `avcC` of a recording whose packets have length fields of this many bytes."""
    extradata = bytearray(encoded_in_mp4("libx264", 2).extradata)
    extradata[4] = extradata[4] & 0xFC | size - 1
    return bytes(extradata)


def noise() -> av.VideoFrame:
    """A frame that does not fit in 255 bytes."""
    values = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), np.uint8)
    frame = av.VideoFrame.from_ndarray(values, format="gray").reformat(format="yuv420p")
    frame.pts = 7
    return frame


@pytest.mark.parametrize("size", [2, 4])
def test_an_edges_packets_have_length_fields_like_the_recordings(size: int) -> None:
    encoder = matching(with_length_size(size), STREAM, None)
    assert encoder is not None
    edge = encoder.open()
    packets = [*edge.encode(noise()), *edge.encode(None)]
    assert [packet.pts for packet in packets] == [7]
    found = units(bytes(packets[0]), size)
    assert len(found) == 1
    assert found[0][0] & 0x1F in SLICES


def test_a_frame_too_large_for_the_length_fields_makes_the_recording_unsuited() -> None:
    encoder = matching(with_length_size(1), STREAM, None)
    assert encoder is not None
    edge = encoder.open()
    with pytest.raises(Unsuited, match="length fields"):
        edge.encode(noise()) or edge.encode(None)
