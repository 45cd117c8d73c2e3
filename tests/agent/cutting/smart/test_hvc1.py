"""HEVC smart clips are `hvc1`: all parameter sets in the header, as Apple's players demand.

libavcodec's own parser of HEVC headers says what is where; it shares no code with ours.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Engine, find_ffmpeg
from tests.agent.cutting.conftest import Cut
from tests.agent.cutting.smart.test_smart import RECORDINGS, check, hevc, in_range
from tests.agent.cutting.writing.test_stream_copy import player_times
from tests.support.media import Recording, make

SETS = {32, 33, 34}
KINDS = {
    "mp4": RECORDINGS["hevc"],
    "mkv": RECORDINGS["hevc, open GOP"],
    "ts": RECORDINGS["hevc in ts"],
    "10 bit": RECORDINGS["hevc, 10 bit"],
    "hev1": Recording(video=(*hevc(open_gop=1, name="hev1"), "-x265-params", "keyint=50:repeat-headers=1")),
}
_FIELD = re.compile(r"(nal_unit_type|slice_pic_parameter_set_id) +[01]+ = (\d+)$")


def parts(path: Path) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """The fields of the header and of each packet, as (`Extradata` or `Packet`, fields)."""
    command = [
        str(find_ffmpeg(None)),
        "-i",
        str(path),
        "-map",
        "0:v",
        "-c",
        "copy",
        "-bsf:v",
        "trace_headers",
    ]
    done = subprocess.run(
        [*command, "-f", "null", "-"], capture_output=True, text=True, timeout=60, check=True
    )
    where, fields = "", list[tuple[str, int]]()
    for line in done.stderr.splitlines():
        text = line.partition("] ")[2]
        if text in ("Extradata", "Extradata:") or text.startswith("Packet: "):
            if where:
                yield where, fields
            where, fields = text.split(":")[0], []
        elif found := _FIELD.search(text):
            fields.append((found[1], int(found[2])))
    yield where, fields


@pytest.mark.sampled(3, slow=2)
@pytest.mark.parametrize("kind", KINDS)
def test_all_parameter_sets_are_in_the_header(cut: Cut, engine: Engine, kind: str) -> None:
    source = make(KINDS[kind])
    times = player_times(source, engine)
    clip = cut(source, "3.3", "7.1", "smart")
    check(clip, times, in_range(times, "3.3", "7.1"))
    assert (clip.report.mode, clip.report.encoder, clip.report.warnings) == ("smart", "libx265", [])
    with av.open(str(clip.path)) as opened:
        assert opened.streams.video[0].codec_tag == "hvc1"
    header, *packets = parts(clip.path)
    assert header[0] == "Extradata"
    in_header = [number for name, number in header[1] if name == "nal_unit_type"]
    assert [in_header.count(kind) for kind in sorted(SETS)] == [2, 2, 2]
    assert len(packets) == clip.report.frames
    found = [field for _, fields in packets for field in fields]
    assert not SETS & {number for name, number in found if name == "nal_unit_type"}
    # The recording's frames and the edges' use different sets.
    assert {number for name, number in found if name == "slice_pic_parameter_set_id"} == {0, 15}


def test_a_recording_whose_parameter_sets_change_is_encoded_whole(cut: Cut, tmp_path: Path) -> None:
    """Six seconds with one reference frame, then six with four: other sets under the same numbers."""
    source = tmp_path / "changing.ts"
    with source.open("wb") as joined:
        for begin, references in ((0, 1), (6, 4)):
            parameters = f"keyint=50:min-keyint=50:ref={references}:bframes=0:log-level=none"
            recording = Recording(
                "ts",
                seconds=6,
                audio=(),
                video=(
                    *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", parameters),
                    *("-output_ts_offset", str(begin), "-mpegts_flags", "+resend_headers"),
                ),
            )
            joined.write(make(recording).read_bytes())
    clip = cut(source, "3.3", "9.1", "smart")
    assert clip.report.mode == "encode"
    assert "parameter sets change" in clip.report.warnings[0]
    assert clip.report.frames == round((Fraction("9.1") - Fraction("3.3")) * 25)
