"""Where reading begins: at a keyframe, with all the audio that is played from there on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import find_ffmpeg
from agent.cutting.reading.seek import enter
from tests.support.media import Recording, make

CODECS = ("aac", "mp2", "ac3")


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream of 14 s whose audio begins at 9 s, where libavformat has not read yet on opening."""
    path = tmp_path_factory.mktemp("late") / "late.ts"
    noise = ["-f", "lavfi", "-i", "nullsrc=size=320x200:rate=25,geq=random(1)*255:128:128"]
    audio = ["-itsoffset", "9", "-f", "lavfi", "-i", "sine=sample_rate=48000"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-b:v", "8M", "-c:a", "mp2", "-t", "14"]
    command = [str(find_ffmpeg(None)), "-v", "error", *noise, *audio, *coding, str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path


def packets_of(packets: Iterable[av.Packet], index: int) -> list[bytes]:
    """The contents of a stream's packets."""
    return [bytes(packet) for packet in packets if packet.stream_index == index and packet.size]


def test_the_first_packet_of_audio_that_begins_late_is_read(late: Path) -> None:
    with av.open(str(late)) as container:
        audio = container.streams.audio[0]
        assert audio.start_time == container.streams.video[0].start_time  # not its own
        expected = packets_of(container.demux(audio), audio.index)
    with av.open(str(late)) as container:
        audio = container.streams.audio[0]
        entry = enter(container, container.streams.video[0], [audio], Fraction(11))
        assert packets_of(entry.packets, audio.index) == expected


@pytest.mark.parametrize("codec", CODECS)
def test_after_a_seek_every_audio_packet_is_one_of_the_recording(codec: str) -> None:
    path = make(Recording("ts", audio=(codec,)))
    with av.open(str(path)) as container:
        audio = container.streams.audio[0]
        whole = {packet.pts: bytes(packet) for packet in container.demux(audio) if packet.size}
    for tenths in range(20, 120, 7):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            for packet in enter(container, video, [audio], Fraction(tenths, 10)).packets:
                if packet.stream_index == audio.index and packet.size:
                    assert whole[packet.pts] == bytes(packet)
