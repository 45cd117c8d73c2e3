"""The recordings of one attempt at a request: files on the NAS, and objects that are fetched as needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.cutting import Engine
from agent.cutting.reading.source import SourceFile
from agent.resources.mounts import MountMemory
from agent.resources.sources import open_below, open_stored
from agent.settings import Settings
from clipping.contract.recording import HasRecording, recording_of
from clipping.contract.reel import WorkMessage
from clipping.contract.roots import is_below
from clipping.errors import (
    ClippingError,
    CutVerificationFailed,
    EncoderFailed,
    EngineUnavailable,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceDamaged,
    SourceHasNoVideo,
    TimeLimit,
    UnsupportedCodec,
)
from clipping.log import get_logger
from clipping.store.access import source_object
from clipping.store.owners import OwnerStores
from clipping.store.readers import SourceReaders
from clipping.timecode import exact

if TYPE_CHECKING:
    from agent.cutting.indexed.needed import Stretch
    from agent.resources.bucket_recording import BucketRecording

log = get_logger(__name__)

_PERHAPS_LACKING = (
    CutVerificationFailed,
    EncoderFailed,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceDamaged,
    SourceHasNoVideo,
    TimeLimit,
    UnsupportedCodec,
)
"""What a cut may end with where too little of its recording is there."""


class Stretched(HasRecording, Protocol):
    """A clip, or a part of a reel."""

    @property
    def in_seconds(self) -> float: ...
    @property
    def out_seconds(self) -> float: ...


@dataclass(frozen=True)
class Recordings:
    """Opens recordings. One for the process; thread-safe."""

    settings: Settings
    engine: Engine
    mounts: MountMemory
    stores: OwnerStores
    readers: SourceReaders

    def of(self, message: WorkMessage, folder: Path, alive: Callable[[], None]) -> Attempt:
        """For an attempt at this request. `folder`: where parts of objects go. `alive` is called several
        times a second while they are fetched, and raises when the attempt is to end."""
        return Attempt(self, message, folder, alive)


class Attempt:
    """Use it in one thread, as a context manager."""

    def __init__(
        self, recordings: Recordings, message: WorkMessage, folder: Path, alive: Callable[[], None]
    ) -> None:
        self._of = recordings
        self._owner, self._roots = message.owner, message.roots
        self._folder, self._alive = folder, alive
        self._fetched: dict[str, BucketRecording] = {}

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_: object) -> None:
        for recording in self._fetched.values():
            recording.close()

    def open(self, part: Stretched) -> SourceFile:
        """What is to be cut; the caller closes it. Raises as `open_below`, as `source_object`, and as
        `BucketRecording`."""
        if part.source_uri is not None:
            return self._open_object(part.source_uri, _stretch(part))
        roots = self._of.settings.current.agent.nas_roots
        if self._roots is not None:
            # Links that lead from one of its roots into another one are no way out of them.
            roots = [root for root in roots if is_below(root.path, self._roots)]
        return open_below(recording_of(part), roots, mounts=self._of.mounts)

    def as_now(self, part: Stretched, source: SourceFile) -> SourceFile:
        """The same recording, with what is there of it now."""
        recording = self._fetched.get(part.source_uri or "")
        return source if recording is None else replace(source, present=recording.present)

    def widen(self, part: Stretched, error: ClippingError) -> bool:
        """Whether a cut that ended with this error may succeed now that more of its recording is there."""
        recording = self._fetched.get(part.source_uri or "")
        if recording is None or recording.whole or not isinstance(error, _PERHAPS_LACKING):
            return False
        if isinstance(error, EngineUnavailable):
            return False
        if isinstance(error, RangeBeyondEnd) and recording.ends_before(_stretch(part)):
            return False
        log.info("source.widened", uri=part.source_uri, code=error.code, error=error.message)
        return recording.widen()

    def _open_object(self, uri: str, stretch: Stretch) -> SourceFile:
        from agent.resources.bucket_recording import BucketRecording  # with NumPy, which only these need

        if uri not in self._fetched:
            of, owner, config = self._of, self._owner, self._of.settings.current
            found = source_object(uri, owner=owner, config=config, own_root=of.stores.root(owner))
            if uri.startswith("file:"):
                return open_stored(uri, config.storage.path)
            self._fetched[uri] = BucketRecording(
                of.readers.of(found, owner=owner),
                self._folder / f"source-{len(self._fetched)}",
                of.engine.cache,
                alive=self._alive,
                min_free_bytes=config.agent.min_free_bytes,
            )
        return self._fetched[uri].open(stretch)


def _stretch(part: Stretched) -> Stretch:
    return exact(part.in_seconds), exact(part.out_seconds)
