from __future__ import annotations

from collections.abc import Iterator

from clipping.store.port import Store
from tests.contract.store.conftest import Create

# A folder's name sorts as if it ended with a slash: "a-b" < "a.b" < "a/b" < "a0".
KEYS = ["a", "a-b", "a.b", "a/b", "a/b-c", "a/b/c", "a/c", "a0", "b/1", "b/10", "b/2", "c"]


def _fill(store: Store) -> None:
    for key in reversed(KEYS):
        store.replace(key, key.encode(), expected=None)


def _walk(store: Store, prefix: str, limit: int) -> Iterator[list[str]]:
    cursor = None
    while True:
        page = store.list(prefix, limit=limit, cursor=cursor)
        yield [info.key for info in page.objects]
        cursor = page.next_cursor
        if cursor is None:
            return


def test_objects_are_sorted_by_key(store: Store) -> None:
    _fill(store)
    assert [info.key for info in store.list("").objects] == KEYS


def test_a_prefix_may_end_within_a_segment(store: Store) -> None:
    _fill(store)
    for prefix in ("a", "a/", "a/b", "a/b/", "b/1", "b", "c", "c/", "d", "a."):
        expected = [key for key in KEYS if key.startswith(prefix)]
        assert [info.key for info in store.list(prefix).objects] == expected, prefix


def test_pages_contain_every_object_once(store: Store) -> None:
    _fill(store)
    for limit in (1, 2, 5, len(KEYS), 100):
        pages = list(_walk(store, "", limit))
        assert [key for page in pages for key in page] == KEYS
        assert all(len(page) <= limit for page in pages)
    assert [key for page in _walk(store, "a/", 2) for key in page] == ["a/b", "a/b-c", "a/b/c", "a/c"]


def test_the_last_page_has_no_cursor(store: Store) -> None:
    _fill(store)
    assert store.list("", limit=len(KEYS)).next_cursor is None
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
