"""What every message on the wire has in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_serializer

from clipping.clock import rfc3339

Moment = Annotated[AwareDatetime, Field(strict=False)]
"""RFC 3339. Not strict: behind a `before` validator pydantic no longer sees that its input was JSON."""


class Model(BaseModel):
    """Frozen; unknown fields are ignored; times are written as RFC 3339 with `Z`."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @field_serializer("*", when_used="json-unless-none", check_fields=False)
    def _times(self, value: Any) -> Any:
        return rfc3339(value) if hasattr(value, "isoformat") else value
