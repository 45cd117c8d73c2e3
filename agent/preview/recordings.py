"""Who may preview which recording, and what of it is shown: everything of the service but HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

from agent.cutting.reading.source import SourceFile
from agent.preview.cache import Made
from agent.preview.calls import Calls, Range, WindowCall
from agent.preview.listing import Listing, Page
from agent.preview.slots import Slots
from agent.resources.folders import is_growing, shown_name
from agent.resources.sources import LOOK_SECONDS, answer_within, open_below
from agent.settings import Settings
from clipping.clock import Clock, moment_of
from clipping.config import NasRoot
from clipping.contract.preview import RecordingDescription, RecordingList
from clipping.contract.preview_keys import PreviewKeys, PreviewToken
from clipping.contract.recording import checked_prefix
from clipping.errors import InvalidRequest, NotFound, SourceNotAllowed, SourceNotFound

_UNKNOWN = "there is no such recording"


@dataclass(frozen=True)
class Opened:
    """A recording that a caller may preview, for the time of a call."""

    id: str
    source: SourceFile
    roots: Sequence[NasRoot]


@dataclass(frozen=True)
class Recordings:
    """Thread-safe."""

    settings: Settings
    keys: PreviewKeys
    calls: Calls
    slots: Slots
    listing: Callable[[Sequence[NasRoot]], Listing]
    clock: Clock

    def admit(self, token: str) -> PreviewToken:
        """Raises `Unauthorized`, and `TokenExpired`."""
        return self.keys.verify(token, self.clock.now())

    def page(
        self, token: PreviewToken, root: str | None, prefix: str, q: str, limit: int, behind: str | None
    ) -> RecordingList:
        """A page of one folder. Raises `NotFound`, `InvalidRequest`, `Overloaded` and `SourceUnavailable`."""
        roots = self._roots(token)
        page = Page(_chosen(roots, root), checked_prefix(prefix), q, limit, behind)
        with self.slots.taken(), _hidden():
            return answer_within(
                lambda: self.listing(roots).read(page),
                LOOK_SECONDS,
                f"the NAS did not answer within {LOOK_SECONDS:g} s: {page.root.path}",
                root=page.root.path,
            )

    @contextmanager
    def opened(self, token: PreviewToken, recording_id: str, *, background: bool = False) -> Iterator[Opened]:
        """A recording, opened as for a cut, while a slot is held.

        Raises `NotFound` for an id that is unknown, of another root, or of what is no longer a file below the
        roots; `Overloaded`; `SourceUnavailable`, `SourceCorrupt`.
        """
        path = self.keys.path_of(recording_id)
        if not token.covers(path):
            raise NotFound(_UNKNOWN)
        roots = self._roots(token)
        with (
            self.slots.taken(background=background),
            _hidden(),
            open_below(path, roots, mounts=self.calls.mounts) as source,
        ):
            yield Opened(recording_id, source, roots)

    def describe(self, opened: Opened) -> RecordingDescription:
        """What the recording holds, and how it can be previewed."""
        source = opened.source
        modified = source.identity.mtime_ns / 1e9
        return RecordingDescription.model_validate(
            {
                **self.calls.describe(source),
                "id": opened.id,
                "name": shown_name(source.name.name),
                "path": shown_name(str(source.name)),
                "size": source.identity.size,
                "modified": moment_of(modified),
                "growing": is_growing(modified, time.time()),
            }
        )

    def part(self, opened: Opened, start: Fraction | None, stop: Fraction | None) -> Range:
        """A range; by default all of the recording. Raises `InvalidRequest`."""
        if stop is None:
            duration = self.calls.describe(opened.source)["duration"]
            if duration is None:
                raise InvalidRequest(
                    "to is required: the recording does not state how long it is", field="to"
                )
            stop = Fraction(duration)
        return Range(start or Fraction(0), stop)

    def window(self, opened: Opened, call: WindowCall) -> Made:
        """A part to play."""
        return self.calls.window(opened.source, opened.roots, call)

    def _roots(self, token: PreviewToken) -> list[NasRoot]:
        return [root for root in self.settings.current.agent.nas_roots if token.covers(root.path)]


def _chosen(roots: Sequence[NasRoot], wanted: str | None) -> NasRoot:
    if wanted is None:
        if len(roots) != 1:
            names = ", ".join(root.path for root in roots)
            raise InvalidRequest(
                f"root is required: one of {names}" if names else "there are no roots", field="root"
            )
        return roots[0]
    for root in roots:
        if root.path == os.path.normpath(wanted):
            return root
    raise NotFound("there is no such root, or the token does not allow it")


@contextmanager
def _hidden() -> Iterator[None]:
    """What a path leads to outside the roots is as good as missing."""
    try:
        yield
    except (SourceNotFound, SourceNotAllowed):
        raise NotFound(_UNKNOWN) from None
