"""The filter language of subscriptions: an expression over a message's attributes.

    attributes:KEY                      the attribute exists
    attributes.KEY = "VALUE"            it has this value
    attributes.KEY != "VALUE"           it has another value, or is missing
    hasPrefix(attributes.KEY, "START")  its value starts with START
    NOT x, -x, x AND y, x OR y, (x)     AND and OR mix only with parentheses

KEY is a name of letters, digits, `-` and `_`, or a string literal. Source of the rules:
https://cloud.google.com/pubsub/docs/subscription-message-filter
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

MAX_BYTES = 256
"""Google's limit on a filter's length."""

_MAX_DEPTH = 64
"""Bounds the parser's recursion. Filters of 256 bytes could nest up to 255 levels."""

Predicate = Callable[[Mapping[str, str]], bool]
"""Whether a message with these attributes is delivered."""


class FilterError(ValueError):
    """The filter is invalid. The message states the error and its position."""


def compile_filter(text: str) -> Predicate:
    """Compile a filter to a predicate. Raises FilterError."""
    if len(text.encode()) > MAX_BYTES:
        raise FilterError(f"the filter is longer than {MAX_BYTES} bytes")
    return _Parser(_tokens(text)).parse()


_Kind = Literal["word", "string", "symbol", "end"]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<word>[A-Za-z0-9_][A-Za-z0-9_-]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<symbol>!=|[.:=(),-])""",
    re.VERBOSE,
)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterError(f"unexpected {text[at]!r} at position {at}")
        if match.lastgroup == "word":
            tokens.append(_Token("word", match.group(), at))
        elif match.lastgroup == "string":
            tokens.append(_Token("string", _unescape(match.group()[1:-1], at), at))
        elif match.lastgroup == "symbol":
            tokens.append(_Token("symbol", match.group(), at))
        at = match.end()
    tokens.append(_Token("end", "", at))
    return tokens


_ESCAPE = re.compile(
    r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|[xX]([0-9A-Fa-f]{2})|([0-3][0-7]{2})|(.))", re.DOTALL
)
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "`": "`", "?": "?",
}  # fmt: skip


def _unescape(body: str, at: int) -> str:
    def replace(match: re.Match[str]) -> str:
        short, long, hexadecimal, octal, simple = match.groups()
        if simple is not None:
            if simple not in _SIMPLE:
                raise FilterError(f"unknown escape \\{simple} in the string at position {at}")
            return _SIMPLE[simple]
        code = int(octal, 8) if octal else int(short or long or hexadecimal, 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise FilterError(f"an escape in the string at position {at} is not a Unicode character")
        return chr(code)

    return _ESCAPE.sub(replace, body)


class _Parser:
    """A recursive descent parser. Each method consumes a construct and returns its predicate."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def parse(self) -> Predicate:
        predicate = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected("the end of the filter")
        return predicate

    def _expression(self) -> Predicate:
        operands = [self._negation()]
        operator = self._peek().text if self._peek().kind == "word" else ""
        while operator in ("AND", "OR") and self._at_word(operator):
            self._take()
            operands.append(self._negation())
        if self._at_word("AND") or self._at_word("OR"):
            raise FilterError(f"AND and OR need parentheses when combined, at position {self._peek().at}")
        if len(operands) == 1:
            return operands[0]
        return _all_of(operands) if operator == "AND" else _any_of(operands)

    def _negation(self) -> Predicate:
        if self._at_word("NOT") or self._at_symbol("-"):
            self._take()
            with_depth = self._nested(self._negation)
            return lambda attributes: not with_depth(attributes)
        return self._primary()

    def _primary(self) -> Predicate:
        if self._at_symbol("("):
            self._take()
            inner = self._nested(self._expression)
            self._expect("symbol", ")")
            return inner
        if self._at_word("hasPrefix"):
            return self._has_prefix()
        self._expect("word", "attributes")
        if self._at_symbol(":"):
            self._take()
            return _present(self._key())
        self._expect("symbol", ".")
        key = self._key()
        if not (self._at_symbol("=") or self._at_symbol("!=")):
            raise self._unexpected("= or !=")
        operator = self._take().text
        value = self._expect("string").text
        return _equal(key, value) if operator == "=" else _unequal(key, value)

    def _has_prefix(self) -> Predicate:
        self._take()
        self._expect("symbol", "(")
        self._expect("word", "attributes")
        self._expect("symbol", ".")
        key = self._key()
        self._expect("symbol", ",")
        prefix = self._expect("string").text
        self._expect("symbol", ")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _key(self) -> str:
        if self._peek().kind not in ("word", "string"):
            raise self._unexpected("an attribute's key")
        return self._take().text

    def _nested(self, parse: Callable[[], Predicate]) -> Predicate:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        predicate = parse()
        self._depth -= 1
        return predicate

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _at_word(self, text: str) -> bool:
        return self._peek().kind == "word" and self._peek().text == text

    def _at_symbol(self, text: str) -> bool:
        return self._peek().kind == "symbol" and self._peek().text == text

    def _expect(self, kind: _Kind, text: str | None = None) -> _Token:
        token = self._peek()
        if token.kind != kind or (text is not None and token.text != text):
            raise self._unexpected(text or f"a {kind} literal")
        return self._take()

    def _unexpected(self, wanted: str) -> FilterError:
        token = self._peek()
        found = "the filter ends" if token.kind == "end" else f"found {token.text!r}"
        return FilterError(f"expected {wanted} at position {token.at}, but {found}")


def _all_of(operands: list[Predicate]) -> Predicate:
    return lambda attributes: all(operand(attributes) for operand in operands)


def _any_of(operands: list[Predicate]) -> Predicate:
    return lambda attributes: any(operand(attributes) for operand in operands)


def _present(key: str) -> Predicate:
    return lambda attributes: key in attributes


# Test membership first: indexing a protobuf map with a missing key would insert it.
def _equal(key: str, value: str) -> Predicate:
    return lambda attributes: key in attributes and attributes[key] == value


def _unequal(key: str, value: str) -> Predicate:
    return lambda attributes: key not in attributes or attributes[key] != value
