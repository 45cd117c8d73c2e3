"""Which streams Chromium plays by Media Source Extensions, and their names in MIME types (RFC 6381). Pure."""

from __future__ import annotations

from agent.cutting.formats.avc import sets_of
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.media import StreamInfo

TAGS = {"h264": "avc1", "av1": "av01", "vp9": "vp09", "aac": "mp4a", "opus": "Opus", "flac": "fLaC"}
"""The codes in an MP4 of the codecs that are copied into windows."""
_H264_PROFILES = frozenset({"Constrained Baseline", "Baseline", "Main", "Extended", "High", "High 10"})
_AAC_PROFILES = frozenset({"LC", "HE-AAC", "HE-AACv2"})
_AAC_TYPES = {"Main": 1, "LC": 2, "SSR": 3, "LTP": 4, "HE-AAC": 5, "HE-AACv2": 29}
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_SPS = 7


def plays(stream: StreamInfo) -> bool:
    """Whether Chromium plays the stream by Media Source Extensions, out of an MP4."""
    match stream.codec:
        case "h264":
            return stream.profile in _H264_PROFILES
        case "aac":
            return stream.profile in _AAC_PROFILES
        case "av1" | "vp9" | "opus" | "flac":
            return True
        case _:
            return False


def name_of(stream: StreamInfo, extradata: bytes | None) -> str | None:
    """The codec's name in a MIME type; None where it has none or its header does not give it."""
    try:
        return _name(stream, extradata or b"")
    except (Malformed, IndexError):
        return None


def _name(stream: StreamInfo, extradata: bytes) -> str | None:
    deep = "10" in ((stream.video.pix_fmt if stream.video else None) or "")
    match stream.codec:
        case "h264":
            return avc_name(sets_of(extradata))
        case "hevc":
            return _hevc(extradata)
        case "av1":
            return _av1(extradata, deep=deep)
        case "vp9":
            profile = (stream.profile or "Profile 0")[-1]
            return f"vp09.0{profile}.51.{'10' if deep else '08'}"
        case "aac":
            # The header's own type; without one (ADTS), that of the decoder.
            kind = extradata[0] >> 3 if extradata else _AAC_TYPES.get(stream.profile or "LC", 2)
            return f"mp4a.40.{kind}"
        case "vp8" | "opus" | "flac" | "vorbis" | "mp3":
            return stream.codec
        case "ac3":
            return "ac-3"
        case "eac3":
            return "ec-3"
        case _:
            return None


def avc_name(sets: list[bytes]) -> str | None:
    """H.264's name by its parameter sets."""
    sps = next((unit for unit in sets if unit[0] & 0x1F == _SPS), None)
    return None if sps is None else f"avc1.{sps[1:4].hex()}"


def _hevc(extradata: bytes) -> str | None:
    """By the `hvcC` (ISO/IEC 14496-15, annex E.3)."""
    if len(extradata) < 13 or extradata[0] != 1:
        return None
    profile = extradata[1]
    space = ("", "A", "B", "C")[profile >> 6]
    flags = int(f"{int.from_bytes(extradata[2:6], 'big'):032b}"[::-1], 2)
    constraints = [f"{byte:X}" for byte in extradata[6:12].rstrip(b"\0")]
    tier = "H" if profile & 0x20 else "L"
    return ".".join([f"hvc1.{space}{profile & 0x1F}", f"{flags:X}", f"{tier}{extradata[12]}", *constraints])


def _av1(extradata: bytes, *, deep: bool) -> str:
    """By the `av1C`."""
    if len(extradata) < 4 or extradata[0] != 0x81:
        return f"av01.0.08M.{'10' if deep else '08'}"
    profile, level = extradata[1] >> 5, extradata[1] & 0x1F
    tier = "H" if extradata[2] & 0x80 else "M"
    depth = "12" if extradata[2] & 0x20 else "10" if extradata[2] & 0x40 else "08"
    return f"av01.{profile}.{level:02d}{tier}.{depth}"


def adts_length(packet: memoryview) -> int:
    """Bytes of the ADTS header in front of an AAC packet; 0 where it has none."""
    if len(packet) < 7 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return 0
    return 7 if packet[1] & 1 else 9


def adts_config(packet: memoryview) -> bytes | None:
    """The AudioSpecificConfig (ISO/IEC 14496-3) for AAC packets with ADTS headers; None: it can't be one."""
    if not adts_length(packet):
        return None
    kind, rate = (packet[2] >> 6) + 1, packet[2] >> 2 & 0xF
    channels = (packet[2] & 1) << 2 | packet[3] >> 6
    if rate >= len(_ADTS_RATES) or channels == 0:
        return None
    return (kind << 11 | rate << 7 | channels << 3).to_bytes(2, "big")
