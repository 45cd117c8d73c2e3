"""Packets created here never make a decoder wait for the interpreter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import CutSpec, Engine, EngineSettings
from agent.cutting.formats.packets import packet_of
from clipping.errors import SourceCorrupt
from tests.support.media import Recording, make

TRIES = 6
"""Of a fault that shows in about half of all cases."""
STALL_SECONDS = 10
_FREED = """
import sys, av
from agent.cutting.formats.packets import packet_of
container = av.open(sys.argv[1])
video = container.streams.video[0]
decoder = av.CodecContext.create("h264", "r")
decoder.extradata = video.codec_context.extradata
decoder.thread_type = "AUTO"
decoder.thread_count = 4
for packet in container.demux(video):
    if packet.size:
        decoder.decode(packet_of(bytes(packet)))
        if packet.pts > 20 * packet.duration:
            break
del decoder
"""


@pytest.fixture
def impatient() -> Iterator[Engine]:
    """An engine that soon ends a stalled cut."""
    engine = Engine(EngineSettings(stall_seconds=STALL_SECONDS))
    engine.start()
    yield engine
    engine.close()


def test_a_packet_holds_a_copy_of_its_payload() -> None:
    assert bytes(packet_of(b"abc")) == b"abc"
    assert packet_of(b"").size == 0


def test_a_decoder_can_be_freed_while_its_threads_hold_packets() -> None:
    for _ in range(TRIES):
        subprocess.run([sys.executable, "-c", _FREED, str(make())], check=True, timeout=30)


def test_a_smart_cut_that_gives_up_in_mid_decoding_ends(impatient: Engine, tmp_path: Path) -> None:
    spec = CutSpec(disordered(tmp_path), Fraction("3.3"), Fraction("6.1"), "smart", "medium")
    folder = tmp_path / "spool"
    folder.mkdir()
    for _ in range(TRIES):
        with pytest.raises(SourceCorrupt):
            impatient.cut(spec, folder, progress=lambda *_: None)
    assert list(folder.iterdir()) == []


def disordered(folder: Path) -> Path:
    """A recording whose frames are said to be shown in the order in which they are stored, and are not."""
    path = folder / "disordered.mp4"
    with (
        av.open(
            str(make(Recording(seconds=8, reordered=3, filters="scale=1280:800,format=yuv420p")))
        ) as original,
        av.open(str(path), "w") as copy,
    ):
        video = copy.add_stream_from_template(original.streams.video[0], opaque=True)
        for number, packet in enumerate(p for p in original.demux(video=0) if p.size):
            assert packet.duration
            packet.pts = packet.dts = number * packet.duration
            packet.stream = video
            copy.mux_one(packet)
    return path
