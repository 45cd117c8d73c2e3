"""The token file of the health page."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipping.errors import ConfigurationError
from health.page.token import read_token

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("content", [TOKEN, TOKEN + "\n", f"  {TOKEN}\r\n"])
def test_the_token_is_the_only_line_of_the_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    assert read_token(str(file)) == TOKEN


@pytest.mark.parametrize(
    "content",
    ["", "\n", "short", f"{TOKEN}\n{TOKEN}\n", "with spaces in it 0123", "öööööööööööööööööööö", "a" * 513],
)
def test_an_invalid_token_is_reported_without_its_value(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"^health\.token_file: .* must hold one line") as refused:
        read_token(str(file))
    assert not content.strip() or content.strip() not in refused.value.message


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"health\.token_file: .*No such file"):
        read_token(str(tmp_path / "none"))


def test_without_a_file_there_is_no_token() -> None:
    assert read_token(None) is None
