"""The interface to previews, for the agent's process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from agent.cutting.formats.media import Identity
from agent.cutting.preview.channel import Call
from agent.cutting.preview.models import (
    Description,
    Keyframes,
    Peaks,
    PreviewSettings,
    Still,
    Strip,
    Window,
)
from agent.cutting.preview.pool import Pool
from agent.cutting.preview.proxy_encoder import encoder_of
from agent.cutting.process.client import ForkServer
from agent.cutting.reading.source import SourceFile
from clipping.errors import InvalidRequest, Overloaded

MOST_TILES = 200
MOST_STEPS = 20_000
MOST_HEIGHT = 2160
MOST_WINDOW_SECONDS = 60
MOST_PEAKS_SECONDS = 600
_RETRY_SECONDS = 1
_MOST_KNOWN = 256
_SAME_SECONDS = Fraction(1)
"""By which the durations of a recording and of its proxy may differ."""
_ResultT = TypeVar("_ResultT")


def proxy_name(recording: Path) -> Path:
    """Where the proxy of a recording is expected: `NAME.proxy.mp4` beside it."""
    return recording.with_name(f"{recording.stem}.proxy.mp4")


class Previews:
    """Previews of recordings. One per process; thread-safe.

    Each method takes the recording opened by the caller, who closes it, and reads nothing else. All raise, as
    far as they apply: `SourceCorrupt`, `SourceUnavailable`, `SourceHasNoVideo`, `TooLarge`, `RangeBeyondEnd`,
    `UnsupportedCodec`, `InvalidRequest`; `Overloaded` when no process is free in time; `TimeLimit`;
    `ProcessDied` when a process crashed; `EngineUnavailable` when none can be started.
    """

    def __init__(
        self,
        server: ForkServer,
        settings: PreviewSettings | None = None,
        encoders: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`server`: the engine's, or another one; the caller closes it. `encoders`: those that work."""
        self._encoders = encoders
        self._settings = settings or PreviewSettings()
        self._pool = Pool(server, self._settings)
        self._encodes = threading.BoundedSemaphore(self._settings.encodes)
        self._lock = threading.Lock()
        self._known: OrderedDict[Identity, Description] = OrderedDict()

    def close(self) -> None:
        """End all processes; calls in other threads raise."""
        self._pool.close()

    def describe(self, source: SourceFile) -> Description:
        """What the recording holds, and how it can be played."""
        found = self._call(Description, source, "describe")
        with self._lock:
            self._known[source.identity] = found
            self._known.move_to_end(source.identity)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found

    def keyframes(self, source: SourceFile, start: Fraction, stop: Fraction) -> Keyframes:
        """When keyframes are shown from `start` up to `stop`."""
        _check_range(start, stop)
        return self._call(Keyframes, source, "keyframes", start, stop)

    def window(
        self,
        source: SourceFile,
        t: Fraction,
        d: Fraction,
        *,
        audio: bool = True,
        more: str | None = None,
        encode: bool = False,
        proxy: SourceFile | None = None,
    ) -> Window:
        """A part to play: at least from `t` on, for `d` seconds unless it would be too large.

        It begins at or before `t`, with the keyframe. Encoded windows hold the 4 s of their own grid.
        `audio`: with the audio stream of `Description.audio`. `more`: from an earlier window.
        `encode`: encode the frames in any case, for a browser that could not decode a window of packets.
        `proxy`: the file of `proxy_name`, opened by the caller; used where the recording can't be played by
        itself, if it is as long.
        """
        if not 0 < d <= MOST_WINDOW_SECONDS:
            raise InvalidRequest(f"d must be above 0 and at most {MOST_WINDOW_SECONDS} s", field="d")
        if proxy is not None and self._fits(source, proxy):
            source = proxy
        found = None if encode else self._pool.call(source, Call("window", (t, d, audio, more)))
        if isinstance(found, Window):
            return found
        deadline = time.monotonic() + self._settings.call_seconds
        if not self._encodes.acquire(timeout=self._settings.call_seconds):
            raise Overloaded("other proxy windows are being encoded: retry later", retry_after=_RETRY_SECONDS)
        try:
            if time.monotonic() > deadline:
                raise Overloaded("the proxy window had to wait too long", retry_after=_RETRY_SECONDS)
            return self._call(Window, source, "proxy_window", t, audio, encoder_of(self._encoders()))
        finally:
            self._encodes.release()

    def still(self, source: SourceFile, t: Fraction, height: int) -> Still:
        """The frame that is shown at `t`, at most `height` pixels high."""
        _check_height(height)
        return self._call(Still, source, "still", t, height)

    def strip(self, source: SourceFile, start: Fraction, stop: Fraction, n: int, height: int) -> Strip:
        """A keyframe near the middle of each of `n` equal parts of a range; each keyframe once."""
        _check_range(start, stop)
        _check_height(height)
        if not 1 <= n <= MOST_TILES:
            raise InvalidRequest(f"n must be from 1 to {MOST_TILES}", field="n")
        return self._call(Strip, source, "strip", start, stop, n, height)

    def peaks(self, source: SourceFile, start: Fraction, stop: Fraction, px: int) -> Peaks:
        """The waveform of the audio of `Description.audio`, else of the first audio stream, in `px` steps."""
        _check_range(start, stop)
        if not 1 <= px <= MOST_STEPS:
            raise InvalidRequest(f"px must be from 1 to {MOST_STEPS}", field="px")
        if stop - start > MOST_PEAKS_SECONDS:
            raise InvalidRequest(f"the range is longer than {MOST_PEAKS_SECONDS} s: split it", field="to")
        return self._call(Peaks, source, "peaks", start, stop, px)

    def _fits(self, source: SourceFile, proxy: SourceFile) -> bool:
        """Whether the proxy is to be used instead of the recording."""
        own = self._description(source)
        if own.playable == "copy":
            return False
        other = self._description(proxy)
        if other.playable != "copy" or own.duration is None or other.duration is None:
            return False
        return abs(own.duration - other.duration) <= _SAME_SECONDS

    def _description(self, source: SourceFile) -> Description:
        with self._lock:
            known = self._known.get(source.identity)
        return known or self.describe(source)

    def _call(self, kind: type[_ResultT], source: SourceFile, name: str, *arguments: object) -> _ResultT:
        found = self._pool.call(source, Call(name, arguments))
        assert isinstance(found, kind)
        return found


def _check_range(start: Fraction, stop: Fraction) -> None:
    if start < 0:
        raise InvalidRequest("from is below 0: choose a time of the recording", field="from")
    if stop <= start:
        raise InvalidRequest("to must be behind from", field="to")


def _check_height(height: int) -> None:
    if not 16 <= height <= MOST_HEIGHT:
        raise InvalidRequest(f"the height must be from 16 to {MOST_HEIGHT}", field="h")
