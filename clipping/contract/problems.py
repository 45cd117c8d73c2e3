"""Errors of pydantic as sentences for the caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from clipping.errors import InvalidRequest
from clipping.text import field_path


def first_problem(error: ValidationError, *, within: Sequence[str | int] = ()) -> InvalidRequest:
    """The first of pydantic's errors, as a sentence that names the field and states the fix.

    `within`: the path of what was validated, where that is a part of a request.
    """
    finding = error.errors(include_url=False)[0]
    field = field_path((*within, *finding["loc"])) or None
    return InvalidRequest(_sentence(field, finding), field=field)


def _sentence(field: str | None, finding: Any) -> str:
    name, context = field or "the message", finding.get("ctx", {})
    match finding["type"]:
        case "missing":
            return f"{name} is required"
        case "extra_forbidden":
            return f"{name} is not a known field"
        case "value_error":
            return f"{name} {context['error']}"
        case "literal_error":
            return f"{name} must be {context['expected']}"
        case "int_type" | "int_from_float":
            return f"{name} must be a whole number"
        case "float_type":
            return f"{name} must be a number"
        case "finite_number":
            return f"{name} must be a finite number"
        case "bool_type":
            return f"{name} must be true or false"
        case "string_type":
            return f"{name} must be a string"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{name} must be an object"
        case "string_pattern_mismatch" if field is not None and field.endswith(("hand_id", "reel_id")):
            return (
                f"{field} must be 1 to 128 characters of A-Z, a-z, 0-9, '.', '_' and '-', "
                "and start with a letter or a digit"
            )
        case "json_invalid":
            return f"the message is not valid JSON: {context['error']}"
        case _:
            return f"{name}: {finding['msg']}"
