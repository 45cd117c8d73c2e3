"""Where an H.264 or HEVC stream can be entered is read from its packets, not from their flags."""

from __future__ import annotations

import pytest

from agent.cutting.formats.nal import length_size, nal_headers, starts_clean

H264_IDR, H264_SLICE, H264_SEI, H264_SPS = 0x65, 0x41, 0x06, 0x67
HEVC_CRA, HEVC_IDR, HEVC_TRAIL = 21 << 1, 19 << 1, 1 << 1


def with_lengths(size: int, *headers: int) -> memoryview:
    units = [bytes([header]) + b"\x01\x02\x03" for header in headers]
    return memoryview(b"".join(len(u).to_bytes(size, "big") + u for u in units))


def with_start_codes(*headers: int) -> memoryview:
    return memoryview(b"".join(b"\x00\x00\x00\x01" + bytes([header]) + b"\x88\x80" for header in headers))


@pytest.mark.parametrize("size", [1, 2, 4])
def test_units_behind_lengths(size: int) -> None:
    payload = with_lengths(size, H264_SEI, H264_IDR)
    assert list(nal_headers(payload, size)) == [H264_SEI, H264_IDR]


def test_units_behind_start_codes() -> None:
    assert list(nal_headers(with_start_codes(H264_SPS, H264_IDR), None)) == [H264_SPS, H264_IDR]


def test_a_recovery_point_of_an_open_gop_is_no_clean_start_in_h264() -> None:
    assert starts_clean("h264", with_lengths(4, H264_SEI, H264_IDR), 4)
    assert not starts_clean("h264", with_lengths(4, H264_SEI, H264_SLICE), 4)


def test_every_random_access_frame_is_a_clean_start_in_hevc() -> None:
    assert starts_clean("hevc", with_start_codes(HEVC_CRA), None)
    assert starts_clean("hevc", with_start_codes(HEVC_IDR), None)
    assert not starts_clean("hevc", with_start_codes(HEVC_TRAIL), None)


@pytest.mark.parametrize("damaged", [b"", b"\x00", b"\xff\xff\xff\xff\x65", b"\x00\x00\x01"])
def test_damaged_packets_are_no_start_and_no_crash(damaged: bytes) -> None:
    assert not starts_clean("h264", memoryview(damaged), None)
    assert list(nal_headers(memoryview(damaged), 4)) in ([], [0x65])


def test_the_extradata_says_how_units_are_delimited() -> None:
    assert length_size("h264", b"\x01\x64\x00\x1f\xff\xe1") == 4
    assert length_size("h264", b"\x00\x00\x00\x01\x67") is None
    assert length_size("hevc", b"\x01" + bytes(20) + b"\xfd\x00") == 2
    assert length_size("h264", None) is None
