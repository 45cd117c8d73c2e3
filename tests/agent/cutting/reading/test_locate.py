"""Undecodable packets are located, only among those that the clip needs."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from agent.cutting.reading.damage import UNDECODABLE, Damage
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.locate import locate
from tests.agent.cutting.reading.coded import RATE, coded, plan_of

FRAME = Fraction(1, RATE)


def broken(packet: av.Packet) -> av.Packet:
    """The packet with all behind the start of its only slice overwritten, its length and times kept."""
    data = bytes(packet)
    made = av.Packet(data[:6] + b"\xff" * (len(data) - 6))
    made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
    made.duration, made.stream, made.is_keyframe = packet.duration, packet.stream, packet.is_keyframe
    return made


def found(bad: set[int], first: int, count: int, entry: int | None) -> tuple[list[Fraction], list[Fraction]]:
    """When what is located begins, and when the packets that were broken do (numbered as stored)."""
    times: dict[int, Fraction] = {}

    def change(number: int, packet: av.Packet) -> av.Packet:
        assert packet.time_base
        times[number] = packet.pts * packet.time_base
        return broken(packet) if number in bad else packet

    with av.open(coded(change)) as container:
        frames = Frames(
            first=first * FRAME,
            start=first * FRAME,
            last=(first + count - 1) * FRAME,
            end=(first + count) * FRAME,
            held=False,
            count=count,
            shortest=FRAME,
            longest=FRAME,
            usual=FRAME,
            entry=None if entry is None else entry * FRAME,
            audio_ends={},
        )
        damage = Damage(Fraction(0))
        plan = plan_of(str(float(frames.start)), str(float(frames.end)))
        locate(container, plan, frames, damage)
    assert all((f.stream, f.why) == ("the video", UNDECODABLE) for f in damage.found)
    return [f.at for f in damage.found], sorted(times[number] for number in bad)


@pytest.mark.parametrize("number", [11, 12, 14, 19, 21, 26])
def test_a_packet_that_the_clip_needs_is_found_where_it_is(number: int) -> None:
    """12 is shown before the clip begins: decoding begins at the keyframe."""
    located, (at,) = found({number}, first=12, count=16, entry=10)
    assert located[0] == at
    # What refers to it may be undecodable too, but not beyond the next keyframe.
    assert {int(time * RATE) // 10 for time in located} == {int(at * RATE) // 10}


@pytest.mark.parametrize("number", [1, 8, 31, 45])
def test_a_packet_that_the_clip_does_not_need_is_not_found(number: int) -> None:
    assert found({number}, first=12, count=16, entry=10)[0] == []


def test_a_good_recording_has_nothing_to_be_found() -> None:
    assert found(set(), first=12, count=16, entry=10) == ([], [])


def test_several_packets_are_all_found() -> None:
    located, broken_at = found({12, 23}, first=12, count=16, entry=10)
    assert set(broken_at) <= set(located)


def test_without_a_known_keyframe_decoding_begins_at_one_all_the_same() -> None:
    located, (at,) = found({15}, first=13, count=8, entry=None)
    assert located[0] == at


def test_a_good_frame_that_refers_to_one_after_the_out_point_is_not_found() -> None:
    """21 is coded by reference to 23, which is stored before it and shown after the clip's end."""
    assert found(set(), first=12, count=10, entry=10) == ([], [])


def test_a_packet_after_the_out_point_that_a_frame_of_the_clip_needs_is_found() -> None:
    located, (at,) = found({21}, first=12, count=10, entry=10)
    assert at == 23 * FRAME
    assert at in located


def test_a_packet_after_the_out_point_that_only_later_frames_need_is_not_found() -> None:
    assert found({21}, first=12, count=8, entry=10)[0] == []
