"""Hides paths in what the health page shows to anyone. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_END = r"[\s'\";,:()]"
"""Ends a path in a sentence. Paths of the configuration may hold these; others are cut off there."""
_ANY_PATH = re.compile(rf"file://(?:(?!{_END}).)+|(?<![\w/:.])/(?:(?!{_END}|/).)(?:(?!{_END}).)*")
HIDDEN = "(path)"


def without_paths(text: str, names: Mapping[str, str]) -> str:
    """`text` without paths: the names of those in `names`, and of what is below them, else `HIDDEN`."""
    for path in sorted(names, key=len, reverse=True):
        pattern = rf"(?<![\w/:.]){re.escape(path)}(?:/(?:(?!{_END}).)*)?(?=$|{_END})"
        text = names[path].join(re.split(pattern, text))
    return _ANY_PATH.sub(HIDDEN, text)
