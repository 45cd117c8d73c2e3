"""Times that contradict the order in which frames are shown are found by decoding a few frames."""

from __future__ import annotations

import av
import pytest

from agent.cutting.reading.disorder import refuse_disorder
from clipping.errors import SourceCorrupt
from tests.agent.cutting.reading.coded import RATE, coded, plan_of


def as_it_is(_: int, packet: av.Packet) -> av.Packet:
    return packet


def in_order_of_storage(number: int, packet: av.Packet) -> av.Packet:
    """Its display times are its order in the file, although it is displayed in another order."""
    assert packet.time_base
    packet.pts = packet.dts = round(number / RATE / packet.time_base)
    return packet


def later_in_order_of_storage(number: int, packet: av.Packet) -> av.Packet:
    return in_order_of_storage(number, packet) if number >= 30 else packet


def test_a_good_recording_is_not_refused() -> None:
    with av.open(coded(as_it_is)) as container:
        for start in ("0", "0.5", "1.9"):
            refuse_disorder(container, plan_of(start, "2"))


@pytest.mark.parametrize("start", ["0", "1"])
def test_times_in_the_order_of_storage_are_refused(start: str) -> None:
    with av.open(coded(in_order_of_storage)) as container, pytest.raises(SourceCorrupt, match="its h264"):
        refuse_disorder(container, plan_of(start, "2"))


def test_frames_far_after_the_start_are_not_decoded() -> None:
    file = coded(later_in_order_of_storage)
    with av.open(file) as container:
        refuse_disorder(container, plan_of("0", "2"))
        with pytest.raises(SourceCorrupt):
            refuse_disorder(container, plan_of("1.5", "2"))


def test_a_codec_that_does_not_reorder_is_not_decoded() -> None:
    with av.open(coded(in_order_of_storage)) as container:
        refuse_disorder(container, plan_of("0", "2", reorder_frames=0))
        # Nothing was read: the first packet is still to come.
        assert next(container.demux(video=0)).pts == 0
