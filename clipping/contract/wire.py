"""What every message on the wire has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer

from clipping.clock import rfc3339

Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    PlainSerializer(rfc3339, return_type=str, when_used="json-unless-none"),
]
"""RFC 3339 with `Z`. Not strict: after a `before` validator, pydantic does not know that it read JSON."""


class Model(BaseModel):
    """Frozen and strict; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, allow_inf_nan=False)
