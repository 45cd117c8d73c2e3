"""Types of single keys, and what all sections have in common."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from clipping.text import check_one_line

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[float, Field(gt=0)]
Role = Literal["client", "admin"]
"""What a caller of the API may do; admins may do what clients may."""


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    check_one_line(path)
    return os.path.normpath(path)


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Origin = Annotated[
    str, StringConstraints(pattern=r"^https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[1-9][0-9]{0,4})?$")
]
"""What a browser sends as `Origin`: scheme, host and port, lower case, without a path."""
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9._~%+-]{2,254}$")]
"""What Pub/Sub takes as the name of a topic or a subscription."""


class Section(BaseModel):
    """A mapping of keys: unknown ones are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
