"""What a caller gets: a folder of one root, or what a search finds in all of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from api.catalog.page import Row, parts_of
from api.catalog.query import CatalogQuery, Place, cursor_behind
from api.catalog.view import LoadedRoot
from clipping.clock import moment_of
from clipping.contract.preview import RecordingCatalog, RecordingEntry, RecordingFolder
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import InvalidRequest, NotFound

Found = tuple[LoadedRoot, Row]


def answer(query: CatalogQuery, roots: Sequence[LoadedRoot], keys: PreviewKeys) -> RecordingCatalog:
    """For a caller who may see these roots. Raises `NotFound`, and `InvalidRequest`."""
    chosen = _chosen(query, roots)
    # One more than requested, to find out whether there is another page.
    found = list(islice(_found(query, chosen), query.limit + 1))
    shown, more = found[: query.limit], found[query.limit :]
    return RecordingCatalog(
        root=chosen[0].path if len(chosen) == 1 else None,
        prefix=query.prefix,
        folders=_folders(query, chosen),
        recordings=[_entry(root, row, keys) for root, row in shown],
        next_cursor=cursor_behind(_place(shown[-1]), query) if more else None,
        roots=[root.source.described() for root in roots],
    )


def _chosen(query: CatalogQuery, roots: Sequence[LoadedRoot]) -> Sequence[LoadedRoot]:
    """Several only for a search, or to be chosen from."""
    if query.root is not None:
        roots = [root for root in roots if root.path == query.root]
        if not roots:
            raise NotFound("there is no such root, or no agent has scanned it yet")
    if query.q or not query.prefix:
        return roots
    if len(roots) > 1:
        names = ", ".join(root.path for root in roots)
        raise InvalidRequest(f"root is required with prefix: one of {names}", field="root")
    if not any(root.has(query.prefix) for root in roots):
        raise NotFound("there is no such folder")
    return roots


def _found(query: CatalogQuery, roots: Sequence[LoadedRoot]) -> Iterator[Found]:
    behind = query.behind
    if not query.q:
        for root in roots if len(roots) == 1 else ():
            yield from ((root, row) for row in root.rows(query.prefix, behind.name if behind else None))
        return
    for root in roots:
        if behind is None or root.path > behind.root:
            within = None
        elif root.path == behind.root:
            within = parts_of(behind.folder), behind.name
        else:
            continue
        yield from ((root, row) for row in root.found(query.q, query.prefix, within))


def _folders(query: CatalogQuery, roots: Sequence[LoadedRoot]) -> list[RecordingFolder]:
    if query.q or query.behind is not None or len(roots) != 1:
        return []
    above = f"{query.prefix}/" if query.prefix else ""
    return [RecordingFolder(name=name, prefix=f"{above}{name}") for name in roots[0].folders(query.prefix)]


def _entry(root: LoadedRoot, row: Row, keys: PreviewKeys) -> RecordingEntry:
    path = f"{root.path.rstrip('/')}/{row.path}"
    return RecordingEntry(
        id=keys.recording_id(path),
        name=row.name,
        path=path,
        size=row.size,
        modified=moment_of(row.modified / 1000),
        growing=row.growing,
        duration=row.known.duration if row.known is not None else None,
        codecs=list(row.known.codecs) if row.known is not None else None,
    )


def _place(found: Found) -> Place:
    root, row = found
    return Place(root.path, row.folder, row.name)
