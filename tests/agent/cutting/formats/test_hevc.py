"""HEVC parameter sets of real streams: read, renumbered, and put into one header."""

from __future__ import annotations

from collections.abc import Callable

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting.formats import hevc
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.hevc import Numbers, SetsChange, free_numbers, sets_of, with_sets
from agent.cutting.formats.nal import joined, length_size, units
from tests.support.encoded import Encoded, decoded_order, encoded, encoded_in_mp4

VPS, SPS, PPS, DELIMITER, SEI = 32, 33, 34, 35, 39
SETS = [VPS, SPS, PPS]
CRA, BLA_N_LP = 21, 18
OPEN_GOP = "keyint=8:min-keyint=8:scenecut=0:bframes=3:b-adapt=0:open-gop=1"


def types(found: list[bytes]) -> list[int]:
    return [unit[0] >> 1 & 0x3F for unit in found]


def in_annex_b(*, in_packets: bool = False) -> Encoded:
    """An open-GOP stream: its second keyframe, decoded ninth or so, is a CRA frame."""
    more = ":repeat-headers=1:aud=1" if in_packets else ""
    return encoded("libx265", 24, OPEN_GOP + more, global_header=not in_packets)


def in_mp4() -> Encoded:
    return encoded_in_mp4("libx265", 24, OPEN_GOP)


def edge_stream(parameters: str = "bframes=0:keyint=-1:info=0") -> Encoded:
    return encoded("libx265", 5, parameters)


def first_cra(stream: Encoded) -> int:
    size = length_size("hevc", stream.extradata)
    return next(n for n, p in enumerate(stream.payloads) if CRA in types(units(p, size)))


STREAMS = pytest.mark.parametrize("make", [in_annex_b, in_mp4])


def test_the_sets_are_found_in_either_format() -> None:
    sets = sets_of(in_mp4().extradata)
    assert types(sets) == SETS
    assert sets_of(joined([b"\x46\x01\x50", *sets, b"\x4e\x01\x05\x01\x00\x80"], None)) == sets
    assert types(sets_of(in_annex_b().extradata)) == SETS
    assert sets_of(b"") == []


def test_extradata_cut_off_is_malformed() -> None:
    extradata = in_mp4().extradata
    for end in range(1, len(extradata)):
        # What follows the last set is the encoder's message.
        try:
            assert sets_of(extradata[:end]) == sets_of(extradata)
        except Malformed:
            continue


@pytest.mark.parametrize("parameters", ["bframes=0", "bframes=0:opt-qp-pps=1:bitrate=90", "ctu=16:slices=2"])
@given(vps=st.integers(0, 15), sps=st.integers(0, 15), pps=st.integers(15, 30))
@settings(deadline=None, max_examples=30)
def test_a_stream_with_other_numbers_decodes_to_the_same_frames(
    parameters: str, vps: int, sps: int, pps: int
) -> None:
    stream = edge_stream(parameters)
    numbers = Numbers(vps, sps, pps)
    sets = [numbers.of_set(unit) for unit in sets_of(stream.extradata)]
    payloads = [hevc.edge(payload, None, numbers) for payload in stream.payloads]
    assert frames(joined(sets, None), payloads) == frames(stream.extradata, stream.payloads)


def test_free_numbers_are_those_that_no_set_of_the_recording_has() -> None:
    own = sets_of(edge_stream().extradata)
    assert free_numbers(own, own) == Numbers(1, 1, 15)
    renumbered = [Numbers(1, 1, 15).of_set(unit) for unit in own]
    assert free_numbers([*own, *renumbered], own) == Numbers(2, 2, 16)
    full = [Numbers(n, n, n + 15).of_set(unit) for n in range(16) for unit in own]
    with pytest.raises(Malformed):
        free_numbers(full, own)


def test_an_encoder_with_two_sets_of_a_type_is_refused() -> None:
    own = sets_of(edge_stream().extradata)
    for sets in ([], own[:2], [*own, own[0]]):
        with pytest.raises(Malformed):
            free_numbers(own, sets)


@STREAMS
def test_a_decoder_reads_the_recordings_frames_and_the_edges_from_one_header(
    make: Callable[[], Encoded],
) -> None:
    recording, edge = make(), edge_stream()
    size = length_size("hevc", recording.extradata)
    own, encoders = sets_of(recording.extradata), sets_of(edge.extradata)
    numbers = free_numbers(own, encoders)
    extradata = with_sets(recording.extradata, [numbers.of_set(unit) for unit in encoders])
    assert len(sets_of(extradata)) == 6
    # An edge, the copied part from a CRA frame on, and another edge.
    key = first_cra(recording)
    first = recording.order[key]
    kept = [n for n in range(key, len(recording.order)) if recording.order[n] >= first]
    edges = [hevc.edge(p, size, numbers) for p in edge.payloads]
    payloads = [
        *edges,
        *(hevc.copied(recording.payloads[n], size, own, joint=n == key) for n in kept),
        *edges,
    ]
    count = len(edges)
    order = [*edge.order, *(count + recording.order[n] - first for n in kept)]
    order += [len(order) + n for n in edge.order]
    assert decoded_order("hevc", extradata, payloads, order) == list(range(len(order)))
    assert not any(set(types(units(p, size))) & set(SETS) for p in payloads)


def test_a_header_promises_what_holds_for_all_its_sets() -> None:
    recording = in_mp4().extradata
    higher = encoded("libx265", 1, "level-idc=5.1:high-tier=1:bframes=0")
    sps = next(unit for unit in sets_of(higher.extradata) if types([unit]) == [SPS])
    assert recording[12] < 153
    made = with_sets(recording, [sps])
    assert made[12] == 153
    assert made[1] & 0x1F == recording[1] & 0x1F
    assert all(after & ~before == 0 for after, before in zip(made[2:12], recording[2:12], strict=True))


def test_a_header_says_that_its_sets_are_complete() -> None:
    extradata = bytearray(in_mp4().extradata)
    made = with_sets(bytes(extradata), sets_of(edge_stream().extradata))
    at, kinds = 23, []
    for _ in range(made[22]):
        kinds.append(made[at])
        count, at = int.from_bytes(made[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            at += 2 + int.from_bytes(made[at : at + 2], "big")
    assert at == len(made)
    assert set(kinds) == {0x80 | VPS, 0x80 | SPS, 0x80 | PPS, SEI}
    assert length_size("hevc", made) == length_size("hevc", bytes(extradata))


def test_an_edges_packet_loses_its_delimiter_and_its_sets() -> None:
    payload = in_annex_b(in_packets=True).payloads[0]
    before = types(units(payload, None))
    assert {DELIMITER, *SETS} < set(before)
    after = types(units(hevc.edge(payload, 4, Numbers(1, 1, 15)), 4))
    assert after == [kind for kind in before if kind not in (DELIMITER, *SETS)]


def test_a_copied_packet_loses_the_sets_that_the_header_has() -> None:
    stream = in_annex_b(in_packets=True)
    sets = sets_of(in_annex_b().extradata)
    for payload in stream.payloads:
        found = units(payload, None)
        assert hevc.has_sets(memoryview(payload), None) == bool(set(types(found)) & set(SETS))
        kept = units(hevc.copied(payload, None, sets, joint=False), None)
        assert kept == [unit for unit in found if unit[0] >> 1 & 0x3F not in SETS]


def test_a_copied_packet_with_other_sets_is_refused() -> None:
    payload = in_annex_b(in_packets=True).payloads[0]
    sets = sets_of(in_annex_b().extradata)
    for known in ([], sets[1:]):
        with pytest.raises(SetsChange):
            hevc.copied(payload, None, known, joint=False)


@STREAMS
def test_only_the_type_of_a_cra_frame_changes_at_a_joint(make: Callable[[], Encoded]) -> None:
    stream = make()
    size = length_size("hevc", stream.extradata)
    packet = stream.payloads[first_cra(stream)]
    plain = units(hevc.copied(packet, size, [], joint=False), size)
    joint = units(hevc.copied(packet, size, [], joint=True), size)
    assert plain == units(packet, size)
    assert types(joint) == [BLA_N_LP if kind == CRA else kind for kind in types(plain)]
    assert [(u[0] & 0x81, u[1:]) for u in joint] == [(u[0] & 0x81, u[1:]) for u in plain]
    idr = stream.payloads[0]
    assert hevc.copied(idr, size, [], joint=True) == idr


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_random_headers_are_read_or_malformed(data: bytes) -> None:
    own = sets_of(edge_stream().extradata)
    for start in (b"", b"\x01" + bytes(21), b"\x00\x00\x01\x40", b"\x00\x00\x01\x42", b"\x00\x00\x01\x44"):
        try:
            sets = sets_of(start + data)
            numbers = free_numbers(sets, own)
            with_sets(start + data, [numbers.of_set(unit) for unit in own])
            [numbers.of_set(unit) for unit in sets]
        except Malformed:
            continue


@settings(deadline=None)
@given(st.data())
def test_a_damaged_packet_is_no_crash(data: st.DataObject) -> None:
    stream = in_mp4()
    size = length_size("hevc", stream.extradata)
    packet = bytearray(stream.payloads[0])
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, 40))] = data.draw(st.integers(0, 255))
    damaged = bytes(packet[: data.draw(st.integers(0, len(packet)))])
    try:
        assert all(units(hevc.copied(damaged, size, sets_of(stream.extradata), joint=True), size))
        hevc.edge(joined(units(damaged, size), None), size, Numbers(1, 1, 15))
    except (Malformed, SetsChange):
        return


def frames(extradata: bytes, payloads: tuple[bytes, ...] | list[bytes]) -> list[bytes]:
    """The frames' samples, decoded strictly."""
    decoder = av.CodecContext.create("hevc", "r")
    decoder.extradata = extradata
    decoder.options = {"err_detect": "explode"}
    packets = [av.Packet(payload) for payload in payloads]
    return [frame.to_ndarray().tobytes() for p in [*packets, None] for frame in decoder.decode(p)]
