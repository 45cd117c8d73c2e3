"""JSON bodies, read more strictly than Python does."""

from __future__ import annotations

import pytest

from clipping.contract.json_body import check_values, decode_json
from clipping.errors import InvalidRequest

BAD: list[tuple[str, bytes, str, str | None]] = [
    ("empty", b"", "line 1, column 1", None),
    ("cut off", b'{"a": ', "line 1, column 7", None),
    ("position", b'{\n  "a": 1\n  "b": 2}', "line 3, column 3", None),
    ("trailing comma", b'{"a": 1,}', "not valid JSON", None),
    ("single quotes", b"{'a': 1}", "not valid JSON", None),
    ("two documents", b"{} {}", "Extra data", None),
    ("comment", b"{} // no", "Extra data", None),
    ("byte order mark", b"\xef\xbb\xbf{}", "not valid JSON", None),
    ("latin-1", b'{"a": "\xe4"}', "not UTF-8 at byte 7", None),
    ("utf-16", '{"a": 1}'.encode("utf-16"), "not UTF-8", None),
    ("NaN", b'{"a": NaN}', "a must be a finite number", "a"),
    ("Infinity", b'{"a": Infinity}', "a must be a finite number", "a"),
    ("minus Infinity", b'{"a": -Infinity}', "a must be a finite number", "a"),
    ("overflow", b'{"a": 1e999}', "a must be a finite number", "a"),
    ("twice", b'{"a": 1, "a": 2}', "a is given twice", "a"),
    ("twice below", b'{"m": {"k": "1", "k": "2"}}', "m.k is given twice", "m.k"),
    ("NaN below", b'{"a": 1, "m": {"k": NaN}}', "m.k must be a finite number", "m.k"),
    ("NaN in a list", b'{"m": [0, [1, NaN]]}', "m[1][1] must be a finite number", "m[1][1]"),
    ("overflow in a list", b'{"m": [-1e999]}', "m[0] must be a finite number", "m[0]"),
    ("an empty name", b'{"": NaN}', "a field must be a finite number", None),
    ("half a character as a name of all", b'{"\\ud800": 1}', "the body has a field that is not", None),
    ("half a character", b'{"m": {"k": "\\ud800"}}', "m.k must be valid Unicode", "m.k"),
    ("half a character in a list", b'{"m": ["a", "\\udc00"]}', "m[1] must be valid Unicode", "m[1]"),
    ("half a character as a name", b'{"m": {"\\ud800": 1}}', "m has a field that is not valid", "m"),
    ("the first of several", b'{"a": {"b": [NaN]}, "c": NaN}', "a.b[0] must be", "a.b[0]"),
    ("after deeper ones", b'{"a": {"b": [1, {}]}, "c": NaN}', "c must be a finite number", "c"),
    ("deep array", b"[" * 100_000, "nested too deeply", None),
    ("deep object", b'{"a":' * 100_000, "nested too deeply", None),
    ("digits", b'{"a": ' + b"1" * 10_000 + b"}", "number that is too long", None),
    ("odd key", b'{"a\\u0000b": NaN}', "a field must be", None),
]


@pytest.mark.parametrize(("data", "message", "field"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_what_is_not_strict_json_is_refused(data: bytes, message: str, field: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_values(decode_json(data))
    assert message in refused.value.message
    assert refused.value.field == field


@pytest.mark.parametrize("data", [b"NaN", b"1e999", b'"\\ud800"'])
def test_values_that_are_not_objects_are_not_checked(data: bytes) -> None:
    assert not isinstance(check_values(decode_json(data)), dict)


def test_ordinary_json_is_read() -> None:
    assert check_values(decode_json('{"a": [1, 2.5, "ä", null, true], "b": {"c": [{}]}}'.encode())) == {
        "a": [1, 2.5, "ä", None, True],
        "b": {"c": [{}]},
    }
