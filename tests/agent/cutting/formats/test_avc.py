"""H.264 parameter sets of real streams: read from either format, and extended."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats import avc
from agent.cutting.formats.avc import SLICES, free_id, sets_of, with_sets
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.nal import joined, length_size, units
from tests.support.encoded import Encoded, decoded_order, encoded, encoded_in_mp4

IDS = range(32)
SEI, SPS, PPS, H264_DELIMITER = 6, 7, 8, 9
PROFILES = {"high": "cabac=1:8x8dct=1", "baseline": "bframes=0"}
HIGH_ONLY = b"\xfd\xf8\xf8\x00"
OPEN_GOP = "keyint=8:min-keyint=8:scenecut=0:bframes=3:b-adapt=0:open-gop=1"


def h264_types(found: list[bytes]) -> list[int]:
    return [unit[0] & 0x1F for unit in found]


def h264(number: int = 0, frames: int = 6) -> Encoded:
    """An Annex B stream whose parameter sets have this id."""
    return encoded("libx264", frames, f"sps-id={number}:bframes=0:keyint=50:scenecut=0")


def h264_in_mp4() -> Encoded:
    return encoded_in_mp4("libx264", 6, "bframes=2:b-adapt=0")


def test_both_formats_of_extradata_hold_the_same_sets() -> None:
    stream = h264_in_mp4()
    assert stream.extradata[0] == 1
    sets = sets_of(stream.extradata)
    assert h264_types(sets) == [SPS, PPS]
    assert sets_of(joined(sets, None)) == sets
    assert sets_of(joined([b"\x09\xf0", *sets, b"\x06\x05\x01\x00\x80"], None)) == sets


def test_a_stream_without_headers_has_no_sets() -> None:
    assert sets_of(b"") == []


@pytest.mark.parametrize("number", [*range(6), 30, 31])
def test_the_id_of_an_encoders_sets_is_recognised(number: int) -> None:
    others = [unit for n in IDS if n != number for unit in (set_with_id(n, SPS), set_with_id(n, PPS))]
    assert free_id(others) == number
    with pytest.raises(Malformed):
        free_id([*others, *sets_of(h264(number).extradata)])


def test_an_empty_set_is_malformed() -> None:
    with pytest.raises(Malformed):
        sets_of(h264_in_mp4().extradata[:5] + b"\xe1\x00\x00\x00")


@pytest.mark.parametrize("unit", [b"\x68", b"\x68\x00", b"\x68\x00\x00\x01", b"\x67\x64\x00\x1f"])
def test_a_set_that_ends_within_its_id_is_malformed(unit: bytes) -> None:
    with pytest.raises(Malformed):
        free_id([unit])


def set_with_id(number: int, kind: int) -> bytes:
    """A parameter set of libx264 with this id."""
    return next(u for u in sets_of(h264(number, 0).extradata) if u[0] & 0x1F == kind)


@settings(deadline=None)
@given(st.sets(st.sampled_from(IDS)), st.sampled_from([SPS, PPS]))
def test_a_free_id_is_one_that_no_set_has(used: set[int], kind: int) -> None:
    sets = [set_with_id(number, kind) for number in used]
    if len(used) == len(IDS):
        with pytest.raises(Malformed):
            free_id(sets)
    else:
        assert free_id(sets) in set(IDS) - used


@settings(deadline=None)
@given(st.lists(st.sampled_from(IDS), max_size=12, unique=True))
def test_added_sets_are_read_back_after_those_of_the_recording(numbers: list[int]) -> None:
    more = [unit for number in numbers for unit in sets_of(h264(number, 0).extradata)]
    for stream in (h264_in_mp4(), h264()):
        own = sets_of(stream.extradata)
        together = sets_of(with_sets(stream.extradata, more))
        for kind in (SPS, PPS):
            assert [u for u in together if u[0] & 0x1F == kind] == [
                u for u in [*own, *more] if u[0] & 0x1F == kind
            ]
        assert len(together) == len(own) + len(more)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_stands_beside_the_sets_is_kept(profile: str) -> None:
    extradata = encoded_in_mp4("libx264", 2, PROFILES[profile]).extradata
    assert with_sets(extradata, []) == extradata
    more = sets_of(h264(31, 0).extradata)
    longer = with_sets(extradata, more)
    assert len(longer) == len(extradata) + sum(2 + len(unit) for unit in more)
    assert longer[:5] == extradata[:5]
    # Behind the sets the high profile has its chroma format and bit depths.
    assert longer.endswith(more[-1] + HIGH_ONLY if profile == "high" else more[-1])
    assert length_size("h264", longer) == length_size("h264", extradata)


def test_more_sets_than_the_header_can_count_are_refused() -> None:
    extradata = encoded_in_mp4("libx264", 2, PROFILES["high"]).extradata
    sps, pps = set_with_id(31, SPS), set_with_id(31, PPS)
    for unit, most in ((sps, 31), (pps, 255)):
        full = with_sets(extradata, [unit] * (most - 1))
        assert len(sets_of(full)) == most + 1
        with pytest.raises(Malformed):
            with_sets(full, [unit])


def test_a_decoder_reads_both_the_recordings_frames_and_the_edges() -> None:
    recording, edge = h264_in_mp4(), h264(free_id(sets_of(h264_in_mp4().extradata)))
    size = length_size("h264", recording.extradata)
    extradata = with_sets(recording.extradata, sets_of(edge.extradata))
    payloads = [*(avc.edge(p, size) for p in edge.payloads), *recording.payloads]
    order = [*edge.order, *(len(edge.order) + number for number in recording.order)]
    assert sorted(decoded_order("h264", extradata, payloads, order)) == list(range(len(order)))


@pytest.mark.parametrize("size", [None, 2, 4])
def test_an_edges_packet_keeps_its_slices_and_nothing_of_the_encoder(size: int | None) -> None:
    stream = encoded("libx264", 3, "bframes=0:aud=1:slices=3", global_header=False)
    before = units(stream.payloads[0], None)
    assert {H264_DELIMITER, SPS, PPS, SEI} < set(h264_types(before))
    kept = units(avc.edge(stream.payloads[0], size), size)
    assert kept == [unit for unit in before if unit[0] & 0x1F in SLICES]
    assert len(kept) == 3


def test_captions_stay_in_an_edge_and_the_encoders_name_does_not() -> None:
    slices = [u for u in units(h264().payloads[1], None) if u[0] & 0x1F in SLICES]
    captions, version = b"\x06\x04\x03\xb5\x00\x31\x80", b"\x06\x05\x02\xaa\xbb\x80"
    packet = joined([captions, version, b"\x06", *slices], None)
    assert units(avc.edge(packet, 4), 4) == [captions, *slices]


def test_extradata_cut_off_is_malformed_or_holds_fewer_sets() -> None:
    extradata = h264_in_mp4().extradata
    whole = sets_of(extradata)
    refused = 0
    for end in range(1, len(extradata)):
        try:
            sets = sets_of(extradata[:end])
        except Malformed:
            refused += 1
        else:
            assert sets == whole  # what is missing stands behind the sets
    assert refused > sum(map(len, whole))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_headers_are_read_or_malformed(data: bytes) -> None:
    for start in (b"", b"\x01\x64\x00\x1f\xff"):
        try:
            sets = sets_of(start + data)
        except Malformed:
            continue
        assert all(sets)
        try:
            free_id(sets)
        except Malformed:
            continue
