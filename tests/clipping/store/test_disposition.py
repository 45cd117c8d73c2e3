from __future__ import annotations

import pytest

from clipping.store.disposition import attachment


@pytest.mark.parametrize(
    ("filename", "header"),
    [
        ("h.mp4", 'attachment; filename="h.mp4"'),
        ("a b;c.mp4", 'attachment; filename="a b;c.mp4"'),
        ('quo"te\\.mp4', 'attachment; filename="quo\\"te\\\\.mp4"'),
        ("why?.mp4", 'attachment; filename="why?.mp4"'),
        ("Tör.mp4", "attachment; filename=\"T_r.mp4\"; filename*=UTF-8''T%C3%B6r.mp4"),
        ("日本.mp4", "attachment; filename=\"__.mp4\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.mp4"),
    ],
)
def test_names_are_quoted(filename: str, header: str) -> None:
    assert attachment(filename) == header
    assert header.isascii()


@pytest.mark.parametrize("filename", ["a\r\nSet-Cookie: x", "a\x00", "a\x7f", "\t"])
def test_control_characters_can_not_inject_a_header(filename: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        attachment(filename)
