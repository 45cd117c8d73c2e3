"""Which objects a caller may cut from: the API and the agents decide alike. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from clipping.config import Config, Source
from clipping.errors import SourceNotAllowed
from clipping.store.layout import upload_folder


@dataclass(frozen=True)
class SourceObject:
    """An object that a caller may cut from."""

    uri: str
    source: Source | None
    """Where it is by the configuration; None: in the caller's own place in the store."""


def source_object(uri: str, *, owner: str, config: Config, own_root: str) -> SourceObject:
    """The object of a `source_uri`.

    `own_root`: what the URIs of the caller's own objects in the store begin with. A caller may use its own
    uploads, everything below its own prefix if it is in `owners`, and the `sources` that are open to it.
    Raises `SourceNotAllowed`: the same for what does not exist as for what is another caller's.
    """
    if uri.startswith(own_root if owner in config.owners else own_root + upload_folder(owner)):
        return SourceObject(uri, None)
    matching = [
        source
        for source in config.sources
        if uri.startswith(source.prefix) and (source.owners is None or owner in source.owners)
    ]
    if not matching:
        raise SourceNotAllowed(
            f"{uri} is not below a prefix that this caller may read: `sources` lists the buckets"
        )
    return SourceObject(uri, max(matching, key=lambda source: len(source.prefix)))
