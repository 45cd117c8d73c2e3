"""Small recordings for tests, generated with the engine's ffmpeg, and the frames and ticks of their clips.

Every frame carries its number twice: as a readable clock, and as a strip of 16 black and white blocks for
`shown_frames`. Every second of audio begins with a tick.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

from agent.cutting import find_ffmpeg
from tests.support.generated import generate

WIDTH, HEIGHT = 320, 200
_STRIP_HEIGHT = 20
_BITS = 16
_TICK_LEVEL = 0.2
LANGUAGES = ("eng", "deu", "fra", "spa")


@dataclass(frozen=True)
class Recording:
    """The parameters of a recording. Frames are numbered from 0; every `gop`-th frame is a keyframe."""

    extension: str = "mp4"
    """`mp4`, `mkv`, `ts`, `mov`, `avi` …"""
    seconds: int = 12
    rate: Fraction = Fraction(25)
    gop: int = 50
    reordered: int = 2
    """Number of consecutive B-frames."""
    open_gop: bool = False
    video: tuple[str, ...] | None = None
    """ffmpeg's options for the video codec. None: H.264; empty: no video stream."""
    audio: tuple[str, ...] = ("aac",)
    """One codec per audio stream; the streams get the languages of `LANGUAGES` in turn."""
    audio_seconds: tuple[int, ...] | None = None
    """Duration of each audio stream. None: as long as the video."""
    filters: str = "format=yuv420p"
    """The last filters of the video."""

    @property
    def frames(self) -> int:
        """The number of frames."""
        return int(self.seconds * self.rate)

    def keyframe_before(self, second: Fraction) -> int:
        """The number of the last keyframe displayed at or before `second`."""
        return int(second * self.rate) // self.gop * self.gop


@cache
def make(recording: Recording = Recording()) -> Path:
    """The recording as a file of this process, generated once per test run. Tests must not modify it."""
    folder = _folder()
    path = folder / f"recording-{len(list(folder.iterdir()))}.{recording.extension}"
    generate(_arguments(recording), path)
    return path


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="clipping-test-media-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _arguments(recording: Recording) -> list[str]:
    rate = str(recording.rate)
    clock = f"testsrc2=size={WIDTH}x{HEIGHT - _STRIP_HEIGHT}:rate={rate}"
    number = (
        f"nullsrc=size={_BITS}x2:rate={rate},geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,"
        f"scale={WIDTH}:{_STRIP_HEIGHT}:flags=neighbor"
    )
    ticks = "aevalsrc=0.8*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.01):sample_rate=48000"
    arguments = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-y"]
    for source in (clock, number):
        arguments += ["-f", "lavfi", "-i", source]
    for position, _ in enumerate(recording.audio):
        length = recording.audio_seconds[position] if recording.audio_seconds else recording.seconds
        arguments += ["-f", "lavfi", "-t", str(length), "-i", ticks]
    if recording.video != ():
        arguments += ["-filter_complex", f"[0:v][1:v]vstack,{recording.filters}[v]", "-map", "[v]"]
    for position, _ in enumerate(recording.audio):
        arguments += ["-map", f"{2 + position}:a"]
    arguments += _h264(recording) if recording.video is None else recording.video
    for position, codec in enumerate(recording.audio):
        arguments += [f"-c:a:{position}", codec, f"-metadata:s:a:{position}"]
        arguments += [f"language={LANGUAGES[position % len(LANGUAGES)]}"]
    return [*arguments, "-t", str(recording.seconds)]


def _h264(recording: Recording) -> list[str]:
    gop = str(recording.gop)
    arguments = ["-c:v", "libx264", "-preset", "ultrafast", "-g", gop, "-keyint_min", gop]
    arguments += ["-sc_threshold", "0", "-bf", str(recording.reordered)]
    if recording.open_gop:
        arguments += ["-x264-params", "open-gop=1"]
    return arguments


def shown_frames(path: Path) -> list[tuple[Fraction, int]]:
    """The time at which each frame of a file is displayed, in seconds, and its number."""
    shown = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            shown.append((frame.pts * frame.time_base, number_of(frame)))
    return shown


def numbers(path: Path) -> list[int]:
    """The numbers of the frames, in display order."""
    return [number for _, number in shown_frames(path)]


def number_of(frame: av.VideoFrame) -> int:
    """The number in a frame's strip."""
    plane = frame.to_ndarray(format="gray")
    block = frame.width // _BITS
    top = frame.height * (HEIGHT - _STRIP_HEIGHT // 2) // HEIGHT
    row = plane[top - 2 : top + 2].mean(axis=0)
    bits = [row[n * block + block // 4 : (n + 1) * block - block // 4].mean() > 126 for n in range(_BITS)]
    return sum(1 << n for n, bit in enumerate(bits) if bit)


def tick_times(path: Path, track: int = 0) -> list[float]:
    """The times at which the ticks of an audio stream begin, in seconds."""
    found: list[float] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=track):
            assert frame.pts is not None
            assert frame.time_base is not None
            samples = _samples(frame)
            start = float(frame.pts * frame.time_base)
            for index in np.flatnonzero(np.abs(samples) > _TICK_LEVEL):
                at = start + float(index) / frame.sample_rate
                if not found or at - found[-1] > 0.5:
                    found.append(at)
    return found


def _samples(frame: av.AudioFrame) -> np.ndarray:
    data = frame.to_ndarray()
    channels = frame.layout.nb_channels
    mono = data[0] if frame.format.is_planar else data.reshape(-1, channels)[:, 0]
    if mono.dtype.kind == "i":
        return mono.astype(np.float32) / np.iinfo(mono.dtype).max
    return mono.astype(np.float32)


def tick_offsets(path: Path, rate: Fraction, track: int = 0) -> list[float]:
    """The offset of each tick from its frame, in seconds.

    Ticks begin at whole seconds of the recording, at which frame `n * rate` is displayed.
    """
    frames = shown_frames(path)
    at_zero = float(frames[0][0]) - frames[0][1] / float(rate)
    return [(t - at_zero) - round(t - at_zero) for t in tick_times(path, track)]


def audio_languages(path: Path) -> Sequence[str | None]:
    """The languages of the audio streams, in the file's order."""
    with av.open(str(path)) as container:
        return [stream.language for stream in container.streams.audio]
