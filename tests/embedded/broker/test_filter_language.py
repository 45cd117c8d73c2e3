"""The filter language: parser and evaluation, without a broker."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedded.broker.delivery.filter import FilterError, compile_filter

ATTRIBUTES = {"lane": "batch", "iana.org/language_tag": "en", "x-y_z": "1", "みな": "v", "AND": "keyword"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('attributes.lane="batch"', True),
        ("attributes.lane = 'batch'", True),
        ('  attributes . lane  =  "batch"  ', True),
        ('attributes.lane = "Batch"', False),
        ('attributes.Lane = "batch"', False),
        ('attributes.missing = ""', False),
        ('attributes.missing != ""', True),
        ('attributes."iana.org/language_tag" = "en"', True),
        ('attributes.x-y_z = "1"', True),
        ('attributes:"\\u307F\\u306A"', True),
        ('attributes.lane = "\\x62\\141tch"', True),
        ("attributes:AND", True),
        ("NOT NOT attributes:lane", True),
        ("--attributes:lane", True),
        ("NOT attributes:missing AND attributes:lane", True),
        ("NOT (attributes:missing AND attributes:lane)", True),
        ("attributes:lane AND (attributes:missing OR attributes:x-y_z)", True),
        ("((attributes:missing)) OR ((attributes:lane))", True),
        ("attributes:lane AND attributes:AND AND attributes:missing", False),
        ('hasPrefix(attributes.lane, "")', True),
        ('hasPrefix(attributes.lane, "batches")', False),
        ('hasPrefix(attributes.missing, "")', False),
        ('NOT hasPrefix(attributes.missing, "")', True),
    ],
)
def test_a_filter_decides_whether_a_message_is_delivered(text: str, expected: bool) -> None:
    assert compile_filter(text)(ATTRIBUTES) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected attributes at position 0"),
        ("attributes", "the filter ends"),
        ("attributes.", "an attribute's key"),
        ("attributes.lane", "= or !="),
        ("attributes.lane = batch", "string literal"),
        ('"batch" = attributes.lane', "expected attributes"),
        ("attributes.lane == 'batch'", "string literal"),
        ('attributes.lane = "a" and attributes.b = "c"', "end of the filter"),
        ("attributes:a AND attributes:b OR attributes:c", "parentheses"),
        ("attributes:a OR attributes:b AND attributes:c", "parentheses"),
        ('attributes.lane = "net" AND ("org")', "expected attributes"),
        ("(attributes:a", "expected )"),
        ("attributes:a)", "end of the filter"),
        ("attributes:a AND", "the filter ends"),
        ("not attributes:a", "expected attributes"),
        ("message.data = 'x'", "expected attributes"),
        ('hasPrefix(attributes.a "x")', "expected ,"),
        ("hasPrefix(attributes:a, 'x')", "expected ."),
        ('attributes.a = "unterminated', "unexpected '\"'"),
        ('attributes.a = "\\q"', "unknown escape"),
        ('attributes.a = "\\ud800"', "not a Unicode character"),
        ("attributes:\\u307F", "unexpected"),
        ("attributes:a; DROP TABLE", "unexpected ';'"),
        ("-" * 200 + "attributes:a", "nested too deeply"),
        ("attributes:" + "k" * 246, "longer than 256 bytes"),
        ("attributes:" + '"' + "é" * 123 + '"', "longer than 256 bytes"),
    ],
)
def test_an_invalid_filter_is_rejected_with_its_position(text: str, message: str) -> None:
    with pytest.raises(FilterError) as refused:
        compile_filter(text)
    assert message in str(refused.value)


@given(st.text(max_size=300))
def test_any_text_compiles_or_is_rejected(text: str) -> None:
    try:
        predicate = compile_filter(text)
    except FilterError:
        return
    assert predicate({}) in (True, False)


@given(st.text(alphabet='attributes.:=!"() ANDORNOT-x,hasPrefix', max_size=120))
def test_any_scrambled_filter_compiles_or_is_rejected(text: str) -> None:
    try:
        compile_filter(text)
    except FilterError:
        pass


keys = st.sampled_from(["a", "b", "c/d"])
values = st.sampled_from(["", "1", "12", 'quo"te', "back\\slash"])
Tree = tuple[object, ...]

trees = st.recursive(
    st.one_of(
        st.tuples(st.just("has"), keys),
        st.tuples(st.sampled_from(["eq", "ne", "prefix"]), keys, values),
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
    ),
    max_leaves=4,
)


@given(tree=trees, attributes=st.dictionaries(keys, values))
def test_a_filter_evaluates_like_its_syntax_tree(tree: Tree, attributes: dict[str, str]) -> None:
    text = written(tree)
    if len(text.encode()) <= 256:
        assert compile_filter(text)(attributes) is meant(tree, attributes)


def written(tree: Tree) -> str:
    """A syntax tree in the filter language, with extra parentheses."""
    match tree:
        case ("has", key):
            return f"attributes:{json.dumps(key)}"
        case ("eq", key, value):
            return f"attributes.{json.dumps(key)} = {json.dumps(value)}"
        case ("ne", key, value):
            return f"attributes.{json.dumps(key)} != {json.dumps(value)}"
        case ("prefix", key, value):
            return f"hasPrefix(attributes.{json.dumps(key)}, {json.dumps(value)})"
        case ("not", (*inner,)):
            return f"NOT ({written(tuple(inner))})"
        case (operator, (*left,), (*right,)):
            return f"({written(tuple(left))}) {str(operator).upper()} ({written(tuple(right))})"
    raise AssertionError(tree)


def meant(tree: Tree, attributes: dict[str, str]) -> bool:
    """Evaluate a syntax tree in Python."""
    match tree:
        case ("has", key):
            return key in attributes
        case ("eq", str(key), value):
            return attributes.get(key) == value
        case ("ne", str(key), value):
            return attributes.get(key) != value
        case ("prefix", str(key), str(value)):
            return key in attributes and attributes[key].startswith(value)
        case ("not", (*inner,)):
            return not meant(tuple(inner), attributes)
        case ("and", (*left,), (*right,)):
            return meant(tuple(left), attributes) and meant(tuple(right), attributes)
        case ("or", (*left,), (*right,)):
            return meant(tuple(left), attributes) or meant(tuple(right), attributes)
    raise AssertionError(tree)
