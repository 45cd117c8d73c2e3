"""What is found in pages of a catalogue, by folder and by words."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.catalog.paging import Entry, Pager
from api.catalog.answers import answer
from api.catalog.page import LoadedPage, terms_of
from api.catalog.query import CatalogQuery, parse_catalog
from api.catalog.view import Index, LoadedRoot, Source, View, sources_of
from clipping.contract.catalog import BrokenCatalog, CatalogIndex, CatalogPage, CatalogRoot
from clipping.contract.preview import RecordingCatalog
from clipping.contract.preview_keys import PreviewKeys
from clipping.errors import InvalidRequest, NotFound

NOW = datetime(2026, 11, 20, tzinfo=UTC)
KEYS = PreviewKeys("a-secret-of-the-API-and-the-agents")
Tree = dict[str, list[str]]


def loaded(path: str, tree: Tree) -> LoadedRoot:
    pager, pages = Pager(), []
    for folder in sorted(tree, key=lambda each: each.split("/") if each else []):
        pages.append(pager.folder(folder))
        entries = [Entry(name, len(name), 1000) for name in sorted(tree[folder])]
        pages += [pager.recording(entry) for entry in entries]
    pages.append(pager.rest())
    root = CatalogRoot(path=path, scanned_at=NOW, checked_at=NOW, available=True)
    return LoadedRoot(Source("nas-1", root, root), [LoadedPage(page) for page in pages if page is not None])


SMALL = loaded(
    "/nas",
    {
        "": ["b.mp4", "A.mp4"],
        "2026": ["Stra\u00dfe.mp4", "table 7.mp4"],
        "2026/nov": ["table 8.mp4"],
        "2026-old": ["TABLE 9.mp4"],
        "empty": [],
    },
)
OTHER = loaded("/tv", {"": ["table 1.mp4"]})


def ask(*roots: LoadedRoot, **given: str) -> RecordingCatalog:
    return answer(parse_catalog({name: [value] for name, value in given.items()}), roots or [SMALL], KEYS)


def names(found: RecordingCatalog) -> list[str]:
    return [each.path.partition("/nas/")[2] or each.path for each in found.recordings]


def test_a_folder_has_its_folders_and_recordings() -> None:
    found = ask()
    assert [folder.prefix for folder in found.folders] == ["2026", "2026-old", "empty"]
    assert names(found) == ["A.mp4", "b.mp4"]
    assert (found.root, found.prefix, found.next_cursor) == ("/nas", "", None)
    found = ask(prefix="/2026/")
    assert [(folder.name, folder.prefix) for folder in found.folders] == [("nov", "2026/nov")]
    assert names(found) == ["2026/Stra\u00dfe.mp4", "2026/table 7.mp4"]
    assert found.recordings[0].id == KEYS.recording_id("/nas/2026/Stra\u00dfe.mp4")
    assert (ask(prefix="empty").folders, ask(prefix="empty").recordings) == ([], [])


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("table", ["2026/table 7.mp4", "2026/nov/table 8.mp4", "2026-old/TABLE 9.mp4"]),
        ("TABLE 2026/", ["2026/table 7.mp4", "2026/nov/table 8.mp4"]),
        (" 8  nov ", ["2026/nov/table 8.mp4"]),
        ("STRASSE", ["2026/Stra\u00dfe.mp4"]),
        ("a.mp4", ["A.mp4"]),
        ("nas", []),
        ("7.mp4 8.mp4", []),
        ("7.mp4\ntable z", []),
    ],
)
def test_words_of_a_path_in_any_case_and_order(q: str, expected: list[str]) -> None:
    assert names(ask(q=q)) == expected
    assert ask(q=q).folders == []


def test_many_words_take_no_longer_than_one() -> None:
    tree = {"x": [f"abcdefghijklmnop {number:05}.mp4" for number in range(3000)]}
    root = loaded("/nas", tree)
    words = [*"abcdefghijklmno" * 10, "nothing"]
    begun = time.process_time()
    assert sum(len(list(page.matches(terms_of(" ".join(words)), 0))) for page in root.pages) == 0
    assert sum(len(list(page.matches(terms_of("p a b " * 100), 0))) for page in root.pages) == 3000
    assert time.process_time() - begun < 0.5
    assert terms_of("Cam ca amc CAMC z") == ["camc", "z"]
    with pytest.raises(InvalidRequest, match="q must have at most 20 words"):
        ask(root, q="a " * 21)


def test_recordings_with_times_that_no_date_can_state() -> None:
    times = {"early.mp4": -(10**15), "late.mp4": 10**15}
    page = CatalogPage(
        folders=(("", 2),),
        names=tuple(times),
        sizes=(1, 1),
        modified=tuple(times.values()),
        growing=(),
        known=(),
    )
    found = ask(LoadedRoot(SMALL.source, [LoadedPage(page)]))
    assert [each.modified.year for each in found.recordings] == [1, 9999]
    assert '"modified":"9999-12-31T23:59:59.000Z"' in found.to_json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"folders": (), "names": (), "sizes": (), "modified": ()},
        {"sizes": (1 << 70,)},
        {"sizes": (-1,)},
        {"modified": (1 << 70,)},
        {"modified": (-(1 << 70),)},
        {"names": ()},
        {"growing": (1,)},
    ],
)
def test_pages_that_no_agent_writes_are_broken(wrong: dict[str, Any]) -> None:
    """Whatever is in the store, it ends no search of a caller."""
    one = {
        "folders": (("", 1),),
        "names": ("a.mp4",),
        "sizes": (1,),
        "modified": (1,),
        "growing": (),
        "known": (),
    }
    data = json.dumps(one | wrong).encode()
    digest = hashlib.sha256(data).hexdigest()[:32]
    with pytest.raises(BrokenCatalog):
        CatalogPage.unpack(digest, gzip.compress(data))


def test_names_that_macs_write_are_found() -> None:
    """They spell a letter with an accent, and a Korean syllable, in several characters."""
    composed = ["\u00c9t\u00e9.mp4", "\uacb0\uc2b9 1.mp4"]
    root = loaded("/nas", {"": [unicodedata.normalize("NFD", name) for name in composed]})
    for q in ("\u00e9t\u00e9", "\uacb0\uc2b9"):
        for form in ("NFC", "NFD"):
            assert len(ask(root, q=unicodedata.normalize(form, q)).recordings) == 1


def test_a_search_below_a_folder() -> None:
    assert names(ask(q="table", prefix="2026")) == ["2026/table 7.mp4", "2026/nov/table 8.mp4"]
    assert names(ask(q="table", prefix="2026/nov")) == ["2026/nov/table 8.mp4"]
    assert names(ask(q="table", prefix="none")) == []


def test_several_roots() -> None:
    found = ask(SMALL, OTHER)
    assert (found.root, found.recordings, found.folders) == (None, [], [])
    assert [root.path for root in found.roots] == ["/nas", "/tv"]
    assert names(ask(SMALL, OTHER, root="/tv/")) == ["/tv/table 1.mp4"]
    assert len(ask(SMALL, OTHER, q="table").recordings) == 4
    assert len(ask(SMALL, OTHER, q="table", root="/nas").recordings) == 3
    with pytest.raises(InvalidRequest, match="one of /nas, /tv"):
        ask(SMALL, OTHER, prefix="2026")
    for given in ({"root": "/etc"}, {"root": "/nas", "prefix": "none"}, {"root": "/nas/2026"}):
        with pytest.raises(NotFound):
            ask(SMALL, OTHER, **given)


def test_a_caller_sees_its_roots_only() -> None:
    view = View((SMALL, OTHER))
    assert view.allowed(None) == [SMALL, OTHER]
    assert view.allowed(["/nas"]) == [SMALL]
    assert view.allowed(["/na", "/nas/2026"]) == []


def pages(query: CatalogQuery, *roots: LoadedRoot) -> list[str]:
    """All pages of a list, read by its cursors."""
    found: list[str] = []
    given = {"q": query.q, "prefix": query.prefix, "limit": str(query.limit)}
    while True:
        page = ask(*roots, **given)
        assert len(page.recordings) <= query.limit
        found += [each.path for each in page.recordings]
        if page.next_cursor is None:
            return found
        given["cursor"] = page.next_cursor


@pytest.fixture(scope="module")
def big() -> tuple[LoadedRoot, list[str]]:
    dice = random.Random(3)
    words = ["table", "Match", "final", "cam", "x", "\u00c4rger"]
    tree = {
        folder: [f"{dice.choice(words)} {n:03}.mp4" for n in range(dice.randrange(300))]
        for folder in ["", *(f"{a}/{b}" for a in ("a", "a-b", "b") for b in range(6)), "a", "a-b", "b"]
    }
    order = sorted(tree, key=lambda each: each.split("/") if each else [])
    paths = [f"{folder}/{name}".lstrip("/") for folder in order for name in sorted(tree[folder])]
    return loaded("/nas", tree), paths


def test_pages_are_together_what_a_simple_search_finds(big: tuple[LoadedRoot, list[str]]) -> None:
    root, paths = big
    assert len(root.pages) > 2
    for q, prefix in (
        ("table", ""),
        ("ma 1", "a"),
        ("\u00e4RGER", "a-b"),
        ("mp4 b", ""),
        ("none", ""),
        ("1", "a/3"),
    ):
        expected = [
            f"/nas/{path}"
            for path in paths
            if all(term in path.casefold() for term in terms_of(q))
            and path.startswith(f"{prefix}/" * bool(prefix))
        ]
        assert pages(CatalogQuery(q, None, prefix, 37, None), root) == expected
    own = [path for path in paths if path.startswith("a/3/")]
    assert pages(CatalogQuery("", None, "a/3", 37, None), root) == [f"/nas/{path}" for path in own]


def test_a_cursor_goes_on_where_it_was_whatever_has_changed() -> None:
    before = loaded("/nas", {"": ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]})
    for given in ({}, {"q": "mp4"}):
        cursor = ask(before, limit="2", **given).next_cursor
        assert cursor is not None
        for changed, expected in (
            (["a.mp4", "c.mp4", "d.mp4"], ["c.mp4", "d.mp4"]),
            (["a.mp4", "aa.mp4", "b.mp4", "bb.mp4", "c.mp4"], ["bb.mp4", "c.mp4"]),
            ([], []),
        ):
            found = ask(loaded("/nas", {"": changed}), limit="2", cursor=cursor, **given)
            assert names(found) == expected
            assert found.folders == []
        with pytest.raises(InvalidRequest, match="cursor"):
            ask(before, cursor=cursor, q="other")


@pytest.mark.parametrize(
    "given",
    [
        {"cursor": "%"},
        {"cursor": "bm9uZQ"},
        {"limit": "0"},
        {"limit": "201"},
        {"prefix": "a/../b"},
        {"q": "x\0"},
        {"q": "x" * 1025},
        {"page": "1"},
    ],
)
def test_parameters_that_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(**given)
    assert refused.value.field == next(iter(given))


def test_the_newest_scan_and_the_newest_state_of_agents_that_share_a_root() -> None:
    def root(hours: int | None, checked: int, *, available: bool = True) -> CatalogRoot:
        at = None if hours is None else NOW + timedelta(hours=hours)
        reason = None if available else "it hangs"
        checked_at = NOW + timedelta(hours=checked)
        return CatalogRoot(
            path="/nas",
            scanned_at=at,
            checked_at=checked_at,
            available=available,
            reason=reason,
            recordings=hours or 0,
        )

    def merged(**roots: CatalogRoot) -> tuple[str, int, bool, str | None]:
        indexes = [
            Index(CatalogIndex(agent_id=agent, cluster="c", generation=1, written_at=NOW, roots=(one,)), NOW)
            for agent, one in roots.items()
        ]
        (source,) = sources_of(indexes)
        found = source.described()
        return found.agent, found.recordings, found.available, found.reason

    assert merged(a=root(1, 1), b=root(2, 2)) == ("b", 2, True, None)
    assert merged(a=root(1, 1), b=root(None, 3, available=False)) == ("a", 1, False, "it hangs")
    assert merged(a=root(4, 4), b=root(2, 3, available=False)) == ("a", 4, True, None)


def test_after_a_takeover_the_clock_of_the_former_leader_does_not_matter() -> None:
    def index(agent: str, minutes: int, *, ahead: int) -> Index:
        stored = NOW + timedelta(minutes=minutes)
        own = stored + timedelta(minutes=ahead)
        root = CatalogRoot(path="/nas", scanned_at=own, checked_at=own, available=agent == "new")
        content = CatalogIndex(agent_id=agent, cluster="c", generation=1, written_at=own, roots=(root,))
        return Index(content, stored)

    for old, new in ((60, 0), (0, -60)):
        (source,) = sources_of([index("old", 0, ahead=old), index("new", 10, ahead=new)])
        assert (source.agent, source.state.available) == ("new", True)
