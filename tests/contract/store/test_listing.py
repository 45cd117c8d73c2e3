from __future__ import annotations

from collections.abc import Iterable, Iterator

from clipping.store.port import Store
from clipping.store.s3 import S3Store
from tests.contract.store.conftest import Create

# A folder's name sorts as if it ended with a slash: "a-b" < "a.b" < "a/b" < "a0".
KEYS = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a/c", "a0", "b/1", "b/10", "b/2", "c"]
FOLDERS = {"a", "a/b"}
"""Keys that are also folders of others, which SeaweedFS does not allow."""


def _fill(store: Store) -> list[str]:
    keys = [key for key in KEYS if key not in FOLDERS] if isinstance(store, S3Store) else KEYS
    for key in reversed(keys):
        store.replace(key, key.encode(), expected=None)
    return keys


def _walk(store: Store, prefix: str, limit: int) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = store.list(prefix, limit=limit, cursor=cursor)
        yield [info.key for info in page.objects]
        cursor = page.next_cursor
        if cursor is None:
            return


def test_objects_are_sorted_by_key(store: Store) -> None:
    keys = _fill(store)
    assert [info.key for info in store.list("").objects] == keys


def test_a_prefix_may_end_within_a_segment(store: Store) -> None:
    keys = _fill(store)
    for prefix in ("a", "a/", "a/b", "a/b/", "b/1", "b", "c", "c/", "d", "a."):
        expected = [key for key in keys if key.startswith(prefix)]
        assert [info.key for info in store.list(prefix).objects] == expected, prefix


def test_pages_contain_every_object_once(store: Store) -> None:
    keys = _fill(store)
    for limit in (1, 2, 5, len(keys), 100):
        pages = list(_walk(store, "", limit))
        assert _in_order(store, pages) == keys
        assert all(len(page) <= limit for page in pages)
    assert _in_order(store, _walk(store, "a/", 2)) == [key for key in keys if key.startswith("a/")]


def _in_order(store: Store, pages: Iterable[list[str]]) -> list[str]:
    """The keys of all pages. SeaweedFS lists `a/b` before `a-b`: only each of its pages is sorted."""
    pages = list(pages)
    assert all(page == sorted(page) for page in pages)
    keys = [key for page in pages for key in page]
    return sorted(keys) if isinstance(store, S3Store) else keys


def test_the_last_page_has_no_cursor(store: Store) -> None:
    keys = _fill(store)
    cursor = store.list("", limit=len(keys)).next_cursor
    if isinstance(store, S3Store) and cursor is not None:
        # SeaweedFS only finds out that there are no more when it is asked for them.
        page = store.list("", limit=len(keys), cursor=cursor)
        assert page.objects == ()
        cursor = page.next_cursor
    assert cursor is None
    assert store.list("nothing/").next_cursor is None


def test_a_listing_agrees_with_stat(store: Store, create: Create) -> None:
    create("clips/h/r1.mp4", b"123", metadata={"request_id": "r1"})
    store.replace("clips/h/r2.json", b"{}", expected=None)
    for info in store.list("clips/").objects:
        assert info == store.stat(info.key)


def test_deleted_objects_are_not_listed(store: Store, create: Create) -> None:
    create("clips/h/r1.mp4")
    create("clips/h/r2.mp4")
    store.delete("clips/h/r1.mp4")
    assert [info.key for info in store.list("").objects] == ["clips/h/r2.mp4"]
