"""docs/reference/configuration.md: every key, from the models."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from clipping.config import Config
from tests.docs.tables import code, table

HEAD = """# Configuration

Generated from the models in `clipping.config` by `scripts/reference`.

One YAML file for the agents and the API. [config.example.yaml](../../config.example.yaml) is such a file
with every default. The agent reads `/etc/clipping-agent/config.yaml` or `--config FILE`, the API `--config
FILE` or, under gunicorn, `CLIPPING_CONFIG`. A variable `CLIPPING_SECTION__KEY` overrides a key; its value
is read as YAML: `CLIPPING_AGENT__SLOTS__BATCH=2`. `clipping-agent check-config` lists everything that is
wrong with a file at once.

A key below a list is written as `list[].key`. `null` means that the key is not set.
"""


@dataclass(frozen=True)
class Key:
    """One key of the file."""

    path: str
    type: str
    default: str
    meaning: str


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for name, field in Config.model_fields.items():
        model = model_in(field.annotation)
        assert model is not None, f"{name} is a section"
        cells = [(code(key.path), key.type, key.default, key.meaning) for key in keys(model)]
        parts.append(f"## {name}\n\n{' '.join((model.__doc__ or '').split())}\n")
        parts.append(table(["key", "type", "default", "meaning"], cells))
    return "\n".join(parts)


@cache
def all_paths() -> set[str]:
    """Each key with its section, such as `agent.slots.batch`, and the sections."""
    found = set(Config.model_fields)
    for name, field in Config.model_fields.items():
        model = model_in(field.annotation)
        assert model is not None
        for key in keys(model):
            parts = key.path.replace("[]", "").split(".")
            found |= {".".join([name, *parts[: end + 1]]) for end in range(len(parts))}
    return found


def keys(model: type[BaseModel], above: str = "") -> Iterator[Key]:
    """Those of a section, and of the models in it."""
    hints, meanings = get_type_hints(model, include_extras=True), meanings_of(model)
    for name, field in model.model_fields.items():
        path = f"{above}{name}"
        inner = model_in(field.annotation)
        if inner is None:
            shown = type_of(hints[name], model.model_json_schema()["properties"][name])
            yield Key(path, shown, _default(model, field), meanings.get(name, ""))
            continue
        many = get_origin(field.annotation) is list
        if many or not isinstance(field.annotation, type):
            kind, default = ("list", "`[]`") if many else ("section", "`null`")
            yield Key(path, kind, default, meanings.get(name) or " ".join((inner.__doc__ or "").split()))
        yield from keys(inner, f"{path}[]." if many else f"{path}.")


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below a model's fields. Pydantic would read the sources whenever a process starts."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: " ".join(below.value.value.split())
        for field, below in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that an annotation is, or holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := model_in(each)) is not None), None)


def type_of(hint: Any, schema: dict[str, Any]) -> str:
    """A type in words, with its limits."""
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    text = " or ".join(_plain(option) for option in options)
    if _is_path(hint):
        text = "absolute path"
    return text + (" or `null`" if len(options) < len(schema.get("anyOf", [schema])) else "")


def _is_path(hint: Any) -> bool:
    """Whether a value is checked to be an absolute path."""
    if get_origin(hint) in (Union, UnionType):
        return any(_is_path(each) for each in get_args(hint))
    if get_origin(hint) is not Annotated:
        return False
    return any(
        "absolute" in getattr(getattr(each, "func", None), "__name__", "") for each in hint.__metadata__
    )


def _plain(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(code(value) for value in schema["enum"])
    kind = schema.get("type", "string")
    if kind == "array":
        return f"list of {_plain(schema['items'])}s"
    if kind == "object":
        return "mapping of strings"
    return {"integer": "whole number", "boolean": "`true` or `false`"}.get(kind, kind) + _range(schema)


def _range(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    if "exclusiveMinimum" in schema:
        above = f", above {schema['exclusiveMinimum']:g}"
        return above + (f", at most {high:g}" if high is not None else "")
    return f", at least {low:g}" if low is not None else ""


def _default(model: type[BaseModel], field: FieldInfo) -> str:
    if field.default_factory is not None and get_origin(field.annotation) is list:
        return "`[]`"
    if field.default_factory is not None:
        return "see meaning"
    if field.default is PydanticUndefined:
        return "required"
    return code({None: "null", "": '""'}.get(field.default, field.default))
