"""Parameter sets of real streams: read from either format, added to, and placed before copied keyframes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats.nal import joined, length_size, units
from agent.cutting.formats.paramsets import (
    H264_SLICES,
    Malformed,
    free_h264_id,
    h264_edge,
    h264_sets,
    hevc_edge,
    hevc_key,
    hevc_sets,
    with_h264_sets,
)
from tests.support.encoded import Encoded, decoded_order, encoded, encoded_in_mp4

IDS = range(32)
SEI, SPS, PPS, H264_DELIMITER = 6, 7, 8, 9
HEVC_SETS, HEVC_DELIMITER, HEVC_SEI = [32, 33, 34], 35, 39
IDR_W_RADL, IDR_N_LP, CRA, BLA_N_LP, RASL = 19, 20, 21, 18, (8, 9)
PROFILES = {"high": "cabac=1:8x8dct=1", "baseline": "bframes=0"}
HIGH_ONLY = b"\xfd\xf8\xf8\x00"
OPEN_GOP = "keyint=8:min-keyint=8:scenecut=0:bframes=3:b-adapt=0:open-gop=1"


def h264_types(found: list[bytes]) -> list[int]:
    return [unit[0] & 0x1F for unit in found]


def hevc_types(found: list[bytes]) -> list[int]:
    return [unit[0] >> 1 & 0x3F for unit in found]


def h264(number: int = 0, frames: int = 6) -> Encoded:
    """An Annex B stream whose parameter sets have this id."""
    return encoded("libx264", frames, f"sps-id={number}:bframes=0:keyint=50:scenecut=0")


def h264_in_mp4() -> Encoded:
    return encoded_in_mp4("libx264", 6, "bframes=2:b-adapt=0")


def hevc(*, in_packets: bool = False) -> Encoded:
    """An open-GOP stream: its second keyframe, decoded ninth or so, is a CRA picture."""
    more = ":repeat-headers=1:aud=1" if in_packets else ""
    return encoded("libx265", 24, OPEN_GOP + more, global_header=not in_packets)


def hevc_in_mp4() -> Encoded:
    return encoded_in_mp4("libx265", 24, OPEN_GOP)


def first_cra(stream: Encoded, size: int | None) -> int:
    return next(n for n, p in enumerate(stream.payloads) if CRA in hevc_types(units(p, size)))


# H.264


def test_both_formats_of_extradata_hold_the_same_sets() -> None:
    stream = h264_in_mp4()
    assert stream.extradata[0] == 1
    sets = h264_sets(stream.extradata)
    assert h264_types(sets) == [SPS, PPS]
    assert h264_sets(joined(sets, None)) == sets
    assert h264_sets(joined([b"\x09\xf0", *sets, b"\x06\x05\x01\x00\x80"], None)) == sets


def test_a_stream_without_headers_has_no_sets() -> None:
    assert h264_sets(b"") == []
    assert hevc_sets(b"") == []


@pytest.mark.parametrize("number", [*range(6), 30, 31])
def test_the_id_of_an_encoders_sets_is_recognised(number: int) -> None:
    others = [unit for n in IDS if n != number for unit in (set_with_id(n, SPS), set_with_id(n, PPS))]
    assert free_h264_id(others) == number
    with pytest.raises(Malformed):
        free_h264_id([*others, *h264_sets(h264(number).extradata)])


def test_an_empty_set_is_malformed() -> None:
    with pytest.raises(Malformed):
        h264_sets(h264_in_mp4().extradata[:5] + b"\xe1\x00\x00\x00")


@pytest.mark.parametrize("unit", [b"\x68", b"\x68\x00", b"\x68\x00\x00\x01", b"\x67\x64\x00\x1f"])
def test_a_set_that_ends_within_its_id_is_malformed(unit: bytes) -> None:
    with pytest.raises(Malformed):
        free_h264_id([unit])


def set_with_id(number: int, kind: int) -> bytes:
    """A parameter set of libx264 with this id."""
    return next(u for u in h264_sets(h264(number, 0).extradata) if u[0] & 0x1F == kind)


@settings(deadline=None)
@given(st.sets(st.sampled_from(IDS)), st.sampled_from([SPS, PPS]))
def test_a_free_id_is_one_that_no_set_has(used: set[int], kind: int) -> None:
    sets = [set_with_id(number, kind) for number in used]
    if len(used) == len(IDS):
        with pytest.raises(Malformed):
            free_h264_id(sets)
    else:
        assert free_h264_id(sets) in set(IDS) - used


@settings(deadline=None)
@given(st.lists(st.sampled_from(IDS), max_size=12, unique=True))
def test_added_sets_are_read_back_behind_the_recordings_own(numbers: list[int]) -> None:
    more = [unit for number in numbers for unit in h264_sets(h264(number, 0).extradata)]
    for stream in (h264_in_mp4(), h264()):
        own = h264_sets(stream.extradata)
        together = h264_sets(with_h264_sets(stream.extradata, more))
        for kind in (SPS, PPS):
            assert [u for u in together if u[0] & 0x1F == kind] == [
                u for u in [*own, *more] if u[0] & 0x1F == kind
            ]
        assert len(together) == len(own) + len(more)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_stands_beside_the_sets_is_kept(profile: str) -> None:
    extradata = encoded_in_mp4("libx264", 2, PROFILES[profile]).extradata
    assert with_h264_sets(extradata, []) == extradata
    more = h264_sets(h264(31, 0).extradata)
    longer = with_h264_sets(extradata, more)
    assert len(longer) == len(extradata) + sum(2 + len(unit) for unit in more)
    assert longer[:5] == extradata[:5]
    # Behind the sets the high profile has its chroma format and bit depths.
    assert longer.endswith(more[-1] + HIGH_ONLY if profile == "high" else more[-1])
    assert length_size("h264", longer) == length_size("h264", extradata)


def test_more_sets_than_the_header_can_count_are_refused() -> None:
    extradata = encoded_in_mp4("libx264", 2, PROFILES["high"]).extradata
    sequence, picture = set_with_id(31, SPS), set_with_id(31, PPS)
    for unit, most in ((sequence, 31), (picture, 255)):
        full = with_h264_sets(extradata, [unit] * (most - 1))
        assert len(h264_sets(full)) == most + 1
        with pytest.raises(Malformed):
            with_h264_sets(full, [unit])


def test_a_decoder_reads_both_the_recordings_frames_and_the_edges() -> None:
    recording, edge = h264_in_mp4(), h264(free_h264_id(h264_sets(h264_in_mp4().extradata)))
    size = length_size("h264", recording.extradata)
    extradata = with_h264_sets(recording.extradata, h264_sets(edge.extradata))
    payloads = [*(h264_edge(p, size) for p in edge.payloads), *recording.payloads]
    order = [*edge.order, *(len(edge.order) + number for number in recording.order)]
    assert sorted(decoded_order("h264", extradata, payloads, order)) == list(range(len(order)))


@pytest.mark.parametrize("size", [None, 2, 4])
def test_an_edges_packet_keeps_its_slices_and_nothing_of_the_encoder(size: int | None) -> None:
    stream = encoded("libx264", 3, "bframes=0:aud=1:slices=3", global_header=False)
    before = units(stream.payloads[0], None)
    assert {H264_DELIMITER, SPS, PPS, SEI} < set(h264_types(before))
    kept = units(h264_edge(stream.payloads[0], size), size)
    assert kept == [unit for unit in before if unit[0] & 0x1F in H264_SLICES]
    assert len(kept) == 3


def test_captions_stay_in_an_edge_and_the_encoders_name_does_not() -> None:
    slices = [u for u in units(h264().payloads[1], None) if u[0] & 0x1F in H264_SLICES]
    captions, version = b"\x06\x04\x03\xb5\x00\x31\x80", b"\x06\x05\x02\xaa\xbb\x80"
    packet = joined([captions, version, b"\x06", *slices], None)
    assert units(h264_edge(packet, 4), 4) == [captions, *slices]


@pytest.mark.parametrize("stream", [h264_in_mp4, hevc_in_mp4])
def test_extradata_cut_off_is_malformed_or_holds_fewer_sets(stream: object) -> None:
    assert callable(stream)
    found: Encoded = stream()
    read = h264_sets if found.codec == "h264" else hevc_sets
    whole = read(found.extradata)
    refused = 0
    for end in range(1, len(found.extradata)):
        try:
            sets = read(found.extradata[:end])
        except Malformed:
            refused += 1
        else:
            assert sets == whole  # what is missing stands behind the sets
    assert refused > sum(map(len, whole))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_headers_are_read_or_malformed(data: bytes) -> None:
    for start in (b"", b"\x01\x64\x00\x1f\xff", b"\x01" + bytes(21)):
        for read in (h264_sets, hevc_sets):
            try:
                sets = read(start + data)
            except Malformed:
                continue
            assert all(sets)
            try:
                free_h264_id(sets)
            except Malformed:
                continue


# HEVC


def test_the_sets_of_an_hevc_stream_are_found_in_either_format() -> None:
    sets = hevc_sets(hevc_in_mp4().extradata)
    assert sorted(hevc_types(sets)) == HEVC_SETS
    assert hevc_sets(joined([b"\x46\x01\x50", *sets, b"\x4e\x01\x05\x01\x00\x80"], None)) == sets
    assert sorted(hevc_types(hevc_sets(hevc().extradata))) == HEVC_SETS


def test_an_hevc_edges_packet_loses_its_delimiter_only() -> None:
    packet = hevc(in_packets=True).payloads[0]
    before = units(packet, None)
    assert hevc_types(before)[0] == HEVC_DELIMITER
    assert units(hevc_edge(packet, 4), 4) == before[1:]


@pytest.mark.parametrize("stream", [hevc, hevc_in_mp4])
def test_a_copied_hevc_keyframe_gets_its_sets_and_keeps_its_slices(stream: object) -> None:
    assert callable(stream)
    found: Encoded = stream()
    size = length_size("hevc", found.extradata)
    sets = hevc_sets(found.extradata)
    packet = found.payloads[first_cra(found, size)]
    assert units(hevc_key(packet, size, sets, joint=False), size) == [*sets, *units(packet, size)]


def test_an_hevc_keyframe_that_has_its_sets_does_not_get_them_twice() -> None:
    packet = hevc(in_packets=True).payloads[0]
    keyframe = hevc_key(packet, None, hevc_sets(hevc().extradata), joint=False)
    assert units(keyframe, None) == units(packet, None)


def test_an_hevc_keyframe_with_a_part_of_its_sets_gets_them_all() -> None:
    packet = hevc(in_packets=True).payloads[0]
    rest = [unit for unit in units(packet, None) if unit[0] >> 1 & 0x3F not in (32, 33, HEVC_DELIMITER)]
    sets = hevc_sets(hevc().extradata)
    assert units(hevc_key(joined(rest, None), None, sets, joint=False), None) == [*sets, *rest]


def test_the_sets_come_behind_the_delimiter() -> None:
    packet = hevc(in_packets=True).payloads[0]
    delimiter, *rest = [u for u in units(packet, None) if u[0] >> 1 & 0x3F not in HEVC_SETS]
    sets = hevc_sets(hevc().extradata)
    keyframe = hevc_key(joined([delimiter, *rest], None), None, sets, joint=False)
    assert units(keyframe, None) == [delimiter, *sets, *rest]


def test_only_the_type_of_a_cra_picture_changes_at_a_joint() -> None:
    stream = hevc()
    packet = stream.payloads[first_cra(stream, None)]
    plain = units(hevc_key(packet, None, [], joint=False), None)
    joint = units(hevc_key(packet, None, [], joint=True), None)
    assert CRA in hevc_types(plain)
    assert hevc_types(joint) == [BLA_N_LP if kind == CRA else kind for kind in hevc_types(plain)]
    assert [(u[0] & 0x81, u[1:]) for u in joint] == [(u[0] & 0x81, u[1:]) for u in plain]
    idr = stream.payloads[0]
    assert hevc_key(idr, None, [], joint=True) == hevc_key(idr, None, [], joint=False)


def test_a_decoder_begins_at_a_joint_behind_an_edge() -> None:
    stream, edge = hevc(), encoded("libx265", 4, "bframes=0:keyint=-1")
    key = first_cra(stream, None)
    number = stream.order[key]
    copied = [n for n in range(key, len(stream.order)) if stream.order[n] >= number]
    payloads = [hevc_edge(p, None) for p in edge.payloads]
    payloads[0] = joined(hevc_sets(edge.extradata), None) + payloads[0]
    sets = hevc_sets(stream.extradata)
    payloads += [hevc_key(stream.payloads[key], None, sets, joint=True)]
    payloads += [stream.payloads[n] for n in copied[1:]]
    order = [*edge.order, *(len(edge.order) + stream.order[n] - number for n in copied)]
    assert decoded_order("hevc", b"", payloads, order) == list(range(len(order)))


def test_an_empty_unit_in_a_keyframe_is_left_out() -> None:
    stream = hevc_in_mp4()
    packet = stream.payloads[0]
    assert hevc_key(bytes(4) + packet, 4, [], joint=True) == packet


@settings(deadline=None)
@given(st.data())
def test_a_damaged_hevc_keyframe_is_no_crash(data: st.DataObject) -> None:
    stream = hevc_in_mp4()
    size = length_size("hevc", stream.extradata)
    packet = bytearray(stream.payloads[0])
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, 40))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(packet)))
    made = hevc_key(bytes(packet[:end]), size, hevc_sets(stream.extradata), joint=True)
    assert all(units(made, size))
