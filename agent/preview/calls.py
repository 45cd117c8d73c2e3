"""The calls of one recording: each is made by the workers once, and then comes from the disk cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import floor
from typing import Any

from agent.cutting.preview import Description, Previews, Strip, proxy_name
from agent.cutting.preview.proxy import SECONDS as GRID_SECONDS
from agent.cutting.reading.source import SourceFile
from agent.preview.cache import DiskCache, Made, key_of
from agent.resources.mounts import MountMemory
from agent.resources.sources import open_below
from clipping.clock import rfc3339
from clipping.config import NasRoot
from clipping.errors import ClippingError


@dataclass(frozen=True)
class Range:
    """A range of a recording in seconds."""

    start: Fraction
    stop: Fraction


@dataclass(frozen=True)
class WindowCall:
    """See `Previews.window`."""

    t: Fraction
    d: Fraction
    audio: bool
    more: str | None
    encode: bool


@dataclass(frozen=True)
class Calls:
    """What can be called of an open recording. One for the process; thread-safe."""

    previews: Previews
    cache: DiskCache
    mounts: MountMemory | None

    def describe(self, source: SourceFile) -> Mapping[str, Any]:
        """The description, as JSON; without what depends on the moment."""
        return self._made(
            source, lambda: Made(_described(self.previews.describe(source)), b""), "describe"
        ).facts

    def keyframes(self, source: SourceFile, part: Range) -> Made:
        def call() -> Made:
            found = self.previews.keyframes(source, part.start, part.stop)
            return Made({"times": [float(time) for time in found.times], "end": float(found.end)}, b"")

        return self._made(source, call, "keyframes", part.start, part.stop)

    def strip(self, source: SourceFile, part: Range, n: int, height: int) -> Made:
        """The times are exact: see `strip_of`."""

        def call() -> Made:
            found = self.previews.strip(source, part.start, part.stop, n, height)
            facts = {
                "times": [str(time) for time in found.times],
                "end": str(found.end),
                "columns": found.columns,
            }
            return Made(facts | {"width": found.width, "height": found.height}, found.jpeg)

        return self._made(source, call, "strip", part.start, part.stop, n, height)

    def peaks(self, source: SourceFile, part: Range, px: int) -> Made:
        def call() -> Made:
            found = self.previews.peaks(source, part.start, part.stop, px)
            return Made({"start": float(found.start), "end": float(found.end)}, found.data)

        return self._made(source, call, "peaks", part.start, part.stop, px)

    def still(self, source: SourceFile, t: Fraction, height: int) -> Made:
        def call() -> Made:
            found = self.previews.still(source, t, height)
            return Made({"time": float(found.time), "width": found.width, "height": found.height}, found.jpeg)

        return self._made(source, call, "still", t, height)

    def window(self, source: SourceFile, roots: Sequence[NasRoot], call: WindowCall) -> Made:
        """Encoded windows are cached, and packets are not: they are read as quickly as a cache.

        `roots`: where the proxy of the recording is opened.
        """
        if not call.encode and self.describe(source)["playable"] != "proxy":
            return self._window(source, None, call)
        proxy = None if call.encode else self._proxy(source, roots)
        if proxy is None:
            # All times in a part of the grid have the same window.
            part = floor(call.t / GRID_SECONDS)
            return self._made(source, lambda: self._window(source, None, call), "encoded", part, call.audio)
        with proxy:
            return self._window(source, proxy, call)

    def _window(self, source: SourceFile, proxy: SourceFile | None, call: WindowCall) -> Made:
        found = self.previews.window(
            source, call.t, call.d, audio=call.audio, more=call.more, encode=call.encode, proxy=proxy
        )
        facts = {"kind": found.kind, "mime": found.mime, "frames": found.frames, "audio": found.audio}
        facts |= {"last": found.last, "more": found.more}
        facts |= {name: float(getattr(found, name)) for name in ("offset", "start", "end")}
        return Made(facts, found.data)

    def _proxy(self, source: SourceFile, roots: Sequence[NasRoot]) -> SourceFile | None:
        try:
            return open_below(str(proxy_name(source.name)), roots, mounts=self.mounts)
        except ClippingError:
            return None  # there is none, or it can't be used

    def _made(self, source: SourceFile, call: Callable[[], Made], name: str, *arguments: object) -> Made:
        key = key_of(source.identity, name, *arguments)
        found = self.cache.get(key)
        if found is None:
            found = call()
            self.cache.put(key, found)
        return found


def strip_of(made: Made) -> Strip:
    """A strip, of which only the tiles matter."""
    facts = made.facts
    times = tuple(Fraction(time) for time in facts["times"])
    return Strip(b"", times, facts["columns"], facts["width"], facts["height"], Fraction(facts["end"]))


def _described(found: Description) -> dict[str, Any]:
    facts = asdict(found)
    for name in ("duration", "start", "shift", "fps"):
        facts[name] = None if facts[name] is None else float(facts[name])
    facts["recorded"] = None if found.recorded is None else rfc3339(found.recorded)
    del facts["growing"], facts["size"]
    return facts
