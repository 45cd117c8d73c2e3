"""A recording in a bucket, of which as much is in a local file as the cuts of it need.

First come its boxes with the index and the beginning, which every cut needs: they are kept for later cuts.
Then what lies around each cut, by the index. When that was not enough, more of it; in the end all. What has
no index, and what is small, is fetched whole at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from agent.cutting.cache import Cache
from agent.cutting.formats.media import Identity
from agent.cutting.formats.mp4 import Box
from agent.cutting.formats.spans import Span, Spans, covers, length, within
from agent.cutting.indexed.index import find_index
from agent.cutting.indexed.needed import NEAR, WIDE, Margin, Stretch, ends_before, needed
from agent.cutting.indexed.not_plain import NotPlain
from agent.cutting.reading.source import SourceFile
from agent.resources.fetching import SparseFile, awaited
from clipping.errors import SourceCorrupt
from clipping.log import get_logger
from clipping.store.ranges import ObjectReader

log = get_logger(__name__)

SMALL_BYTES = 16 << 20
"""Up to this size, a recording is fetched whole: asking for parts takes longer."""
MOST_SHARE = 0.7
"""Of a recording: with more of it needed, it is fetched whole."""
HEAD_BYTES = 1 << 20
"""Read at once at the beginning; the index is often there."""
_LOOK_BYTES = 64 << 10
"""Read at once elsewhere, and at the end, where a writer that was killed leaves a hole."""
_MOST_BOXES = 64
_MOST_INDEX_BYTES = 64 << 20
"""It is read here, for all clips in flight, and not in a process of its own. 10 hours have 40 MB."""
_MARGINS: tuple[Margin, ...] = (NEAR, WIDE)


class BucketRecording:
    """Use it in one thread; close it in the end."""

    def __init__(
        self,
        reader: ObjectReader,
        path: Path,
        cache: Cache,
        *,
        alive: Callable[[], None],
        min_free_bytes: int,
    ) -> None:
        """`path`: of the file, which must not exist. `alive`, `min_free_bytes`: as for `SparseFile`.

        Raises as `ObjectReader.stat`, `SourceCorrupt` when it is empty, and as `alive`.
        """
        self._uri, self._cache = reader.uri, cache
        state = awaited(reader.stat, alive)
        if state.size == 0:
            raise SourceCorrupt(f"{self._uri} is empty (0 bytes)")
        self.identity = Identity.of_object(self._uri, state.etag, state.size, state.modified)
        self._file = SparseFile(path, reader, state, alive=alive, min_free_bytes=min_free_bytes)
        self._index: Span | None = None
        """Where the content of `moov` is. It is not kept in memory: a reel may have many recordings."""
        self._stretches: list[Stretch] = []
        self._margins = list(_MARGINS)
        """Those that are left to try, the one in use first; none when all of it is to be there."""

    def close(self) -> None:
        """Remove the file. What was opened of it stays readable."""
        self._file.close()

    def open(self, stretch: Stretch) -> SourceFile:
        """What a cut of this stretch needs; the caller closes it. Raises as `SparseFile.fetch`."""
        if stretch not in self._stretches:
            self._stretches.append(stretch)
        self._fetch()
        descriptor = os.open(self._file.path, os.O_PATH | os.O_CLOEXEC)
        return SourceFile(Path(self._uri), descriptor, self.identity, self.present)

    @property
    def present(self) -> Spans | None:
        """As `SourceFile.present`."""
        return None if self.whole else self._file.present

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return self._file.whole

    def ends_before(self, stretch: Stretch) -> bool:
        """Whether it ends before this stretch, by its index."""
        return self._index is not None and ends_before(self._file.get(*self._index), stretch[0])

    def widen(self) -> bool:
        """Fetch more of it; False when all was there. Raises as `open`."""
        if self.whole:
            return False
        before = self._file.present
        while self._file.present == before:
            self._margins = self._margins[1:]
            self._fetch()
        return True

    def _fetch(self) -> None:
        begun, before = time.monotonic(), self._file.read_bytes
        whole = self.identity.size <= SMALL_BYTES or not self._margins
        if not whole:
            try:
                self._fetch_parts()
            except NotPlain as reason:
                log.info("source.whole", uri=self._uri, bytes=self.identity.size, reason=str(reason))
                whole = True
        if whole:
            self._margins = []
            self._file.fetch([(0, self.identity.size)])
        if self._file.read_bytes > before:
            log.info(
                "source.fetched",
                uri=self._uri,
                bytes=self._file.read_bytes - before,
                size=self.identity.size,
                seconds=round(time.monotonic() - begun, 3),
            )

    def _fetch_parts(self) -> None:
        """Raises `NotPlain` where the recording has to be fetched whole."""
        size = self.identity.size
        if self._index is None:
            self._index = self._find_index()
            self._file.fetch(within(needed(self._file.get(*self._index), [], NEAR), size))
            self._cache.keep_pieces(
                self.identity, {(a, b): self._file.get(a, b) for a, b in self._file.present}
            )
        spans = within(needed(self._file.get(*self._index), self._stretches, self._margins[0]), size)
        if length(spans) > MOST_SHARE * size:
            raise NotPlain("most of it is needed")
        self._file.fetch(spans)

    def _find_index(self) -> Span:
        """Where the content of `moov` is: it is in the file then, as are the headers of all other boxes."""
        size = self.identity.size
        for (begin, _), data in (self._cache.pieces(self.identity) or {}).items():
            self._file.put(begin, data)
        self._file.fetch(within([(0, HEAD_BYTES), (size - _LOOK_BYTES, size)], size))
        found = _located(self._file, size)
        if found.end - found.start > _MOST_INDEX_BYTES:
            raise NotPlain("its index is too large")
        self._file.fetch([(found.start, found.end)])
        return found.start, found.end


def _located(file: SparseFile, size: int) -> Box:
    return find_index(cast(BinaryIO, _Headers(file, size)), size)


class _Headers:
    """Reads the headers of boxes in a file, and fetches those that are not there."""

    def __init__(self, file: SparseFile, size: int) -> None:
        self._file, self._size, self._at, self._looks = file, size, 0, 0

    def seek(self, offset: int) -> None:
        self._at = offset

    def read(self, count: int) -> bytes:
        self._looks += 1
        if self._looks > _MOST_BOXES:
            raise NotPlain("it has many boxes")
        begin, end = self._at, min(self._size, self._at + count)
        if not covers(self._file.present, begin, end):
            self._file.fetch([(begin, min(self._size, begin + _LOOK_BYTES))])
        self._at = end
        return self._file.get(begin, end)
