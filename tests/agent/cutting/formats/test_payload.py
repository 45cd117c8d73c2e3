"""Cheap checks of packets, collected findings, and checks of a clip's bytes while they are written."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from agent.cutting.formats.payload import RUN, ZEROS, check_for, may_hold_zeros, structure_check, zero_runs
from agent.cutting.indexed.watch import Watch, Watched
from agent.cutting.reading.damage import MOST_WARNINGS, Damage, Finding, places, warnings

AVCC = b"\x01\x64\x00\x1f\xff"


def nal(size: int, header: int = 0x41) -> bytes:
    return size.to_bytes(4, "big") + bytes([header]) + b"\xa5" * (size - 1)


def test_a_run_of_zeros_is_found_wherever_it_begins() -> None:
    dice = random.Random(1)
    for _ in range(2_000):
        size = dice.randrange(RUN, 3 * RUN)
        before = dice.randrange(0, 500)
        data = b"\x11" * before + bytes(size) + b"\x22" * dice.randrange(0, 500)
        assert zero_runs(memoryview(data)) == [(before, before + size)]
    assert not may_hold_zeros(memoryview(dice.randbytes(1 << 20)))


@pytest.mark.parametrize(
    ("codec", "extradata", "data", "why"),
    [
        ("h264", AVCC, nal(100) + nal(300), None),
        ("h264", AVCC, nal(100) + nal(300) + bytes(8), None),
        ("h264", AVCC, nal(100) + nal(300)[:-1], "broken NAL units"),
        ("h264", AVCC, nal(100, header=0xC1), "broken NAL units"),
        ("h264", AVCC, nal(100) + bytes(400), ZEROS),
        ("h264", AVCC, bytes(400) + nal(100), ZEROS),
        ("h264", None, b"\0\0\0\1" + b"\x65" + b"\xa5" * 300, None),
        ("h264", None, b"\0\0\0\1" + b"\x65" + b"\xa5" * 300 + bytes(400), None),
        ("h264", None, b"\x12" * 200, "broken NAL units"),
        ("h264", None, b"\0\0\1\x65" + b"\xa5" * 99 + bytes(400) + b"\xa5" * 99, ZEROS),
        ("mpeg2video", None, b"\0\0\1\0" + b"\xa5" * 99 + bytes(400) + b"\1" + b"\xa5" * 99, None),
        ("mpeg2video", None, b"\0\0\1\0" + b"\xa5" * 99 + bytes(400) + b"\7" + b"\xa5" * 99, ZEROS),
        ("vp9", None, bytes(400), ZEROS),
        ("vp9", None, b"\x82" + bytes(400), None),
        ("aac", b"\x12\x10", b"\x21\0\x49\x90\2\x19\0\x23\x80", None),
        ("aac", b"\x12\x10", bytes(300), ZEROS),
        ("aac", None, b"\x12" * 300, "no frame begins where one should"),
        ("mp3", None, b"\xff\xfb\x90\0" + bytes(400), None),
        ("mp3", None, b"\x12" * 300, "no frame begins where one should"),
        ("ac3", None, b"\x0b\x77" + b"\x12" * 300, None),
        ("ac3", None, b"\x0b\x07" + b"\x12" * 300, "no frame begins where one should"),
    ],
)
def test_what_no_codec_makes_is_noticed(
    codec: str, extradata: bytes | None, data: bytes, why: str | None
) -> None:
    check = check_for(codec, extradata)
    assert check is not None
    assert check(memoryview(data)) == why


def test_silence_and_black_are_no_damage() -> None:
    assert check_for("pcm_s16le", None) is None
    assert check_for("rawvideo", None) is None


def test_neighbouring_findings_are_one_place_and_the_warnings_are_bounded() -> None:
    near = [Finding(Fraction(n, 25), "the video", ZEROS) for n in range(10)]
    assert warnings(near) == ["damaged data at 0.000 s to 0.360 s: a run of zeros in the video"]
    far = [Finding(Fraction(10 * n), "the video", ZEROS) for n in range(1, 501)]
    said = warnings(far)
    assert len(said) == MOST_WARNINGS
    assert said[0] == "damaged data at 10.000 s: a run of zeros in the video"
    assert said[-1] == f"damaged data at {501 - MOST_WARNINGS} more places, the last at 5000.000 s"
    assert len(places(far)) == 500


def test_a_stream_whose_packets_are_all_called_damaged_is_not() -> None:
    damage = Damage(Fraction(0))
    for n in range(100):
        damage.flag(Fraction(n), "the video", "lost")
    damage.good("the video")
    assert damage.found == ()


def test_a_few_packets_called_damaged_count_unless_the_recording_ends_there() -> None:
    damage = Damage(Fraction(2))
    for n in range(100):
        if n in (50, 99):
            damage.flag(Fraction(n), "the video", "lost")
        else:
            damage.good("the video")
    assert damage.found == (Finding(Fraction(48), "the video", "lost"),)


def test_a_clip_that_passes_in_pieces_is_looked_at_as_a_whole() -> None:
    dice = random.Random(2)
    for _ in range(100):
        samples = [nal(dice.randrange(1, 900)) for _ in range(60)]
        broken = sorted(dice.sample(range(60), 3))
        for number, content in zip(broken, (bytes(400), nal(50)[:-2], nal(50, header=0x80)), strict=True):
            samples[number] = content
        sizes = np.array([len(sample) for sample in samples], np.int64)
        watched = Watched(
            stream="the video",
            places=np.cumsum(sizes) - sizes + 1000,
            sizes=sizes,
            times=np.arange(60),
            tick=Fraction(1, 25),
            structure=structure_check("h264", AVCC),
            whole=check_for("h264", AVCC),
        )
        damage = Damage(Fraction(0))
        watch = Watch([watched], damage)
        data, at = memoryview(b"\x11" * 1000 + b"".join(samples)), 0
        while at < len(data):
            size = dice.choice([1, 7, 100, 2_000, 20_000])
            watch(at, data[at : at + size])
            at += size
        assert [finding.at * 25 for finding in damage.found] == broken
