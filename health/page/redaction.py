"""Hides paths in what the health page shows to any client. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_END = r"[\s'\";,:()]"
"""Ends a path in a sentence. Paths of the configuration may hold these; others are cut off there."""
_ANY_PATH = re.compile(rf"file://(?:(?!{_END}).)+|(?<![\w/:.])/(?:(?!{_END}|/).)(?:(?!{_END}).)*")
HIDDEN = "(path)"


def without_paths(text: str, names: Mapping[str, str]) -> str:
    """`text` with each path replaced: one of `names` or below it by the name, any other by `HIDDEN`."""
    for path in sorted(names, key=len, reverse=True):
        pattern = rf"(?<![\w/:.]){re.escape(path)}(?:/(?:(?!{_END}).)*)?(?=$|{_END})"
        text = names[path].join(re.split(pattern, text))
    return _ANY_PATH.sub(HIDDEN, text)
