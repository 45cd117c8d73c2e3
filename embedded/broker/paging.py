"""Pages of a sorted list of names. A token encodes the last name of the previous page."""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right

from embedded.broker.refusals import InvalidArgument

MAX_PAGE = 1000
_DEFAULT_PAGE = 100


def page(names: list[str], size: int, token: str) -> tuple[list[str], str]:
    """The next `size` (0: a default) of the sorted `names`, and the next page's token, "" at the end.

    Tokens encode a name instead of an offset, so that changes between pages neither skip nor repeat other
    names. Raises InvalidArgument for an unknown token or a negative size."""
    if size < 0:
        raise InvalidArgument("page_size must not be negative.")
    start = bisect_right(names, _decode(token)) if token else 0
    size = min(size or _DEFAULT_PAGE, MAX_PAGE)
    found = names[start : start + size]
    more = start + size < len(names)
    return found, base64.urlsafe_b64encode(found[-1].encode()).decode() if more else ""


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidArgument("Invalid page_token: it was not issued by this service.") from None
