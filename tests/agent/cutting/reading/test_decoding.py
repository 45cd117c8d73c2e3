"""The requested frames are decoded, or the recording is refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from agent.cutting.plan.outcome import Unsuited
from agent.cutting.reading.decoding import decoded
from tests.agent.cutting.reading.coded import coded


@pytest.fixture
def packets() -> Iterator[list[av.Packet]]:
    with av.open(coded(lambda number, packet: packet)) as container:
        yield [packet for packet in container.demux(video=0) if packet.size]


def decoder_of(packet: av.Packet) -> VideoCodecContext:
    decoder = packet.stream.codec_context
    assert isinstance(decoder, VideoCodecContext)
    return decoder


def test_exactly_the_frames_asked_for_are_decoded(packets: list[av.Packet]) -> None:
    wanted = sorted(packet.pts for packet in packets if packet.pts is not None)[3:7]
    frames = decoded(decoder_of(packets[0]), packets, wanted)
    assert [frame.pts for frame in frames] == wanted


@pytest.mark.parametrize("number", [0, 5])
def test_a_packet_without_a_time_is_refused(packets: list[av.Packet], number: int) -> None:
    wanted = [packets[8].pts or 0]
    packets[number].pts = None
    with pytest.raises(Unsuited, match="have no time"):
        list(decoded(decoder_of(packets[0]), packets, wanted))
