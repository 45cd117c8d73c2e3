"""The pages that come from the code are up to date, and what people write on them is complete."""

from __future__ import annotations

import pytest

from tests.docs.generate import PAGES
from tests.docs.tables import DOCS, escaped, rows, table


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (DOCS / "reference" / name).read_text(encoding="utf-8") == PAGES[name](), "run scripts/reference"


@pytest.mark.parametrize("name", ["errors.md", "log-events.md", "metrics.md"])
def test_everything_is_explained(name: str) -> None:
    for cells in rows((DOCS / "reference" / name).read_text(encoding="utf-8")):
        assert cells[-1], f"{cells[0]}: say what it means, in {name}"


def test_a_table_can_be_read_back() -> None:
    written = table(["key", "meaning"], [("`a|b`", "one\nor the other"), ("`c`", "")])
    assert rows(written) == [["`a|b`", "one or the other"], ["`c`", ""]]
    assert escaped("a | b") == "a \\| b"
