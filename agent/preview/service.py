"""The composition root of the preview service."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from werkzeug.datastructures import EnvironHeaders
from werkzeug.wrappers import Request

from agent.cutting import Engine
from agent.cutting.cache import Cache
from agent.cutting.preview import Previews, PreviewSettings
from agent.preview.app import PREFIX, preview_app, token_of
from agent.preview.cache import DiskCache
from agent.preview.calls import Calls
from agent.preview.console import console_mount
from agent.preview.listing import Listing
from agent.preview.plans import Plans
from agent.preview.query import TOKEN
from agent.preview.recordings import Recordings
from agent.preview.slots import Slots
from agent.resources.mounts import MountMemory
from agent.settings import Settings
from clipping.clock import Clock
from clipping.contract.preview_keys import PreviewKeys, read_preview_keys
from clipping.errors import Unauthorized
from clipping.store.owners import OwnerStores
from health.page.server import Mount


class PreviewService:
    """Owns the processes of previews."""

    def __init__(
        self, settings: Settings, engine: Engine, mounts: MountMemory, stores: OwnerStores, clock: Clock
    ) -> None:
        """Raises `ConfigurationError` when `preview.key` can't be read."""
        self._previews: Previews | None = None
        self.mounts: list[Mount] = []
        """What is served on the port of the health page: nothing without `preview.key`."""
        keys = read_preview_keys(settings.current.preview.key)
        if keys is not None:
            self._build(settings, keys, engine, mounts, stores, clock)

    def close(self) -> None:
        """End all processes; calls in progress fail."""
        if self._previews is not None:
            self._previews.close()

    def _build(
        self,
        settings: Settings,
        keys: PreviewKeys,
        engine: Engine,
        mounts: MountMemory,
        stores: OwnerStores,
        clock: Clock,
    ) -> None:
        config = settings.current
        state, slots = Path(config.agent.state_dir), Slots(config.preview.slots)
        self._previews = engine.previews(
            PreviewSettings(workers=slots.count, max_pixels=config.cutting.max_pixels)
        )
        known = Cache(state / "index")
        cache = DiskCache(state / "previews", config.preview.cache_bytes)
        calls = Calls(self._previews, cache, mounts)
        recordings = Recordings(
            settings, keys, calls, slots, lambda roots: Listing(roots, keys, known, mounts), clock
        )
        plans = Plans(settings, engine, cache, slots, mounts, stores)
        app = preview_app(recordings, plans, lambda: settings.current.api.cors_origins, config.agent.id)
        self.mounts.append(
            Mount(
                PREFIX,
                app,
                threads=slots.threads,
                admits=partial(_admits, recordings),
                max_body_bytes=config.api.max_body_bytes,
            )
        )
        if config.preview.api_url is not None:
            self.mounts.append(console_mount(config.preview.api_url, config.agent.id))


def _admits(recordings: Recordings, environ: dict[str, Any]) -> bool:
    """Whether a call has a valid token: others count against the limits of the health page."""
    try:
        query = Request(environ).args.get(TOKEN)
        recordings.admit(token_of(EnvironHeaders(environ).get("Authorization", ""), query))
    except Unauthorized:
        return False
    return True
