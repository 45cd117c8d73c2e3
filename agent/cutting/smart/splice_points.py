"""Where copying begins and ends between re-encoded edges. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def closing(order: Sequence[int], written: int, stop: int) -> int | None:
    """How many of the next pictures can still be copied.

    `order`: when they are shown, in decoding order; `written`: when the last picture already copied is
    shown; `stop`: where the clip ends. After the copied ones no picture may come, in decoding order, that is
    shown before one of them: a decoder that gets re-encoded frames next would have to show it too. None when
    even the pictures already written are mixed with later ones.
    """
    best: int | None = None
    shown = written
    for count in range(len(order) + 1):
        if count:
            shown = max(shown, order[count - 1])
        if shown >= stop:
            break
        if all(later > shown for later in order[count:]):
            best = count
    return best
