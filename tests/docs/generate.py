"""Writes the pages of docs/reference that come from the code: `scripts/reference`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.docs import cli, configuration, errors, events, metrics
from tests.docs.tables import DOCS

PAGES: Mapping[str, Callable[[], str]] = {
    "cli.md": cli.page,
    "configuration.md": configuration.page,
    "errors.md": errors.page,
    "log-events.md": events.page,
    "metrics.md": metrics.page,
}


def main() -> int:
    for name, page in PAGES.items():
        path = DOCS / "reference" / name
        text = page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
