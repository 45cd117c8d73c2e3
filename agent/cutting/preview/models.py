"""The settings and the results of previews: plain, frozen data.

Times are seconds as a player shows them, as in `CutSpec`; they are exact, so that a frame can be requested by
them. A browser seeks to the middle of a frame: half a frame behind its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Literal

from agent.cutting.formats.media import Kind

Playable = Literal["copy", "proxy", "audio", "none"]
"""How a browser plays a recording by Media Source Extensions: its own packets, frames that are encoded for
it, only its audio, or not at all."""


@dataclass(frozen=True)
class PreviewSettings:
    """Limits of previews."""

    workers: int = 3
    """Processes at once; each has one recording open. A further call waits for one."""
    encodes: int = 1
    """Proxy windows that are encoded at once, since each uses all cores."""
    idle_seconds: float = 60
    """A process without calls for this long ends."""
    memory_bytes: int = 1536 << 20
    """What each process may use."""
    call_seconds: float = 30
    """A call that takes longer is ended, with its process, and so is one that waits longer for a process."""
    part_bytes: int = 4 << 20
    """A window of more bytes ends early, but not before `part_seconds`."""
    part_seconds: float = 2
    max_bytes: int = 48 << 20
    """A window with more bytes than this up to the requested time is encoded as a proxy."""
    max_pixels: int = 8192 * 8192
    """The largest frame that is decoded, as width times height."""
    cache_dir: Path | None = None
    """Where indexes of recordings are cached, as `EngineSettings.cache_dir`. None: nowhere."""


@dataclass(frozen=True)
class StreamDescription:
    """One stream of a recording."""

    index: int
    kind: Kind
    codec: str
    """libavcodec's name."""
    mse: str | None
    """The codec in a MIME type, such as `avc1.64001f`; None where there is no such name."""
    plays: bool
    """Whether Chromium plays it by Media Source Extensions."""
    language: str | None
    title: str | None
    default: bool


@dataclass(frozen=True)
class Description:
    """What a recording holds, and how it can be previewed."""

    playable: Playable
    reason: str | None
    """Why it can't be played by copying its packets; None where it can."""
    streams: tuple[StreamDescription, ...]
    video: int | None
    """The index of the stream that is previewed."""
    audio: int | None
    """The index of the audio stream that windows contain, as AAC where browsers don't play it; None: they
    have none."""
    duration: Fraction | None
    """None when the file does not state it."""
    start: Fraction
    """When the first frame is shown; below 0 where an edit list hides frames, and mostly 0."""
    shift: Fraction
    """To add to every time and to `Window.offset` in a browser, which has no times below 0; mostly 0."""
    fps: Fraction | None
    """Frames a second, averaged; None when unknown."""
    width: int | None
    """As shown: with the shape of pixels and the rotation."""
    height: int | None
    rotation: int
    """Degrees anticlockwise by which a player turns the frames."""
    timecode: str | None
    """SMPTE timecode of what is shown at 0."""
    recorded: datetime | None
    """When what is shown at 0 was recorded, if the file states it."""
    growing: bool
    """Whether it was written to in the last seconds."""
    size: int
    """Bytes."""


@dataclass(frozen=True)
class Keyframes:
    """The keyframes of a range."""

    times: tuple[Fraction, ...]
    end: Fraction
    """All before this were found: less than requested where reading on would take too long."""


@dataclass(frozen=True)
class Window:
    """A part of a recording to play: a fragmented MP4, its initialisation segment first.

    Append it with `timestampOffset` set to `offset`. Frames from `start` to `end` are complete.
    """

    data: bytes
    kind: Literal["copy", "proxy"]
    """Whether it holds the recording's own packets, or frames that were encoded for it."""
    mime: str
    """The type, with `codecs`, as `addSourceBuffer` and `changeType` take it."""
    offset: Fraction
    """The smallest decoding time: where the MP4's time 0 lies."""
    start: Fraction
    """When the first frame is shown: at or before the requested time, or behind it where the recording begins
    later or no earlier frame can be decoded."""
    end: Fraction
    """When the frame behind the last one is shown, or the last one ends. A browser shows a frame only when it
    has some of those that follow: within half a second of the end, append the next window, too."""
    frames: int
    audio: bool
    """Whether it has audio for all of its time. Where it is false but `mime` names an audio codec, a browser
    stalls at the gap: request the window without audio."""
    last: bool
    """Whether the recording ends here: call `endOfStream`, as its audio may end earlier."""
    more: str | None
    """Set where the window was cut short because of its size: pass it, with `end` as the time, for what
    follows. It continues in the middle of a group of frames, so append it right behind this one."""


@dataclass(frozen=True)
class Still:
    """One frame."""

    jpeg: bytes
    time: Fraction
    """When it is shown first."""
    width: int
    height: int


@dataclass(frozen=True)
class Strip:
    """Keyframes as tiles of one JPEG, from left to right and from top to bottom."""

    jpeg: bytes
    times: tuple[Fraction, ...]
    """When each is shown."""
    columns: int
    width: int
    """Of a tile."""
    height: int
    end: Fraction
    """The end of the range."""

    def webvtt(self, image: str) -> str:
        """A WebVTT file that names the tile for each time; `image`: the URL of the JPEG."""
        cues = "".join(
            f"\n{_clock(begin)} --> {_clock(end)}\n{image}#xywh={x},{y},{self.width},{self.height}\n"
            for begin, end, x, y in self._cues()
        )
        return f"WEBVTT\n{cues}"

    def _cues(self) -> Iterator[tuple[Fraction, Fraction, int, int]]:
        ends = [*self.times[1:], max(self.end, *self.times)] if self.times else []
        for number, (begin, end) in enumerate(zip(self.times, ends, strict=True)):
            row, column = divmod(number, self.columns)
            if end > begin:
                yield begin, end, column * self.width, row * self.height


@dataclass(frozen=True)
class Peaks:
    """A waveform."""

    data: bytes
    """For each step the lowest and the highest sample of all channels, each a signed byte."""
    start: Fraction
    end: Fraction


def _clock(time: Fraction) -> str:
    milliseconds = max(0, round(time * 1000))
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
