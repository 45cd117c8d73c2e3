"""How `openapi.yaml` is written: YAML reads some mistakes as other, valid documents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

import api as package

SOURCE = Path(package.__path__[0]).parent / "openapi.yaml"


def mappings(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Every key and value below the node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key, value
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from mappings(item)


def pairs() -> list[tuple[yaml.Node, yaml.Node]]:
    root = yaml.compose(SOURCE.read_text(encoding="utf-8"))
    assert root is not None
    return list(mappings(root))


def test_every_description_is_a_block_or_quoted_scalar() -> None:
    # In a flow mapping, an unquoted comma ends the text and begins a new key.
    found = [(key, value) for key, value in pairs() if key.value == "description"]
    assert len(found) > 100
    plain = [
        f"line {value.start_mark.line + 1}"
        for _, value in found
        if not isinstance(value, yaml.ScalarNode) or value.style not in ("|", ">", '"', "'")
    ]
    assert plain == []


def test_no_value_is_empty() -> None:
    # The rest of a text that was cut at a comma is a key without a value.
    empty = [
        f"line {key.start_mark.line + 1}: {key.value}"
        for key, value in pairs()
        if isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:null"
    ]
    assert empty == []
