"""Plans of clips: who may ask for which, and what a request would result in."""

from __future__ import annotations

from dataclasses import dataclass

import clipping
from agent.cutting import Engine
from agent.cutting.reading.source import SourceFile
from agent.preview.cache import DiskCache, Made, key_of
from agent.preview.slots import Slots
from agent.resources.mounts import MountMemory
from agent.resources.sources import open_below, open_stored
from agent.settings import Settings
from agent.specs import cut_spec
from clipping.contract.messages import ClipRequest, parse_clip_request
from clipping.contract.plan import ClipPlan
from clipping.contract.preview_keys import PreviewToken
from clipping.contract.recording import recording_of
from clipping.errors import InvalidRequest
from clipping.store.access import source_object
from clipping.store.owners import OwnerStores


@dataclass(frozen=True)
class Plans:
    """Thread-safe."""

    settings: Settings
    engine: Engine
    cache: DiskCache
    slots: Slots
    mounts: MountMemory
    stores: OwnerStores

    def plan(self, token: PreviewToken, body: object) -> ClipPlan:
        """The plan of the request in `body`, as the API takes it.

        Raises `InvalidRequest`, `Overloaded`, and what the cut would raise.
        """
        config = self.settings.current
        wanted = parse_clip_request(
            body,
            max_clip_seconds=config.limits.max_clip_seconds,
            max_short_seconds=config.limits.max_short_seconds,
            high_mode=config.cutting.default_mode,
        )
        with self.slots.taken(), self._open(token, wanted) as source:
            return self._made(wanted, source)

    def _made(self, wanted: ClipRequest, source: SourceFile) -> ClipPlan:
        spec, cutting = cut_spec(wanted), self.settings.current.cutting
        # Another version, or other settings, may decide otherwise.
        given = (clipping.__version__, cutting.max_pixels, cutting.on_damage, self.engine.expected(spec))
        key = key_of(source.identity, "plan", wanted.spec_hash(), *given)
        known = self.cache.get(key)
        if known is not None:
            return ClipPlan.model_validate(known.facts)
        plan = self.engine.plan(spec, source)
        self.cache.put(key, Made(plan.model_dump(mode="json", exclude_none=True), b""))
        return plan

    def _open(self, token: PreviewToken, wanted: ClipRequest) -> SourceFile:
        """The recording, opened as for a cut; the caller closes it."""
        config, uri = self.settings.current, wanted.source_uri
        if uri is None:
            roots = [root for root in config.agent.nas_roots if token.covers(root.path)]
            return open_below(recording_of(wanted), roots, mounts=self.mounts)
        source_object(uri, owner=token.caller, config=config, own_root=self.stores.root(token.caller))
        if not uri.startswith("file:"):
            raise InvalidRequest(
                "source_uri: recordings in buckets can't be planned, as they are fetched only for a cut: "
                "request the clip",
                field="source_uri",
            )
        return open_stored(uri, config.storage.path)
