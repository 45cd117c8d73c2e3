"""Sections about buckets of recordings, and callers that have a place of their own in the store."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from clipping.config.fields import AbsolutePath, Origin, Section
from clipping.config.service import Storage

_RESERVED = frozenset(
    {"clips", "shorts", "reels", "uploads", "previews", "checkpoints", "catalog", "cancels", "ha"}
)
"""Folders of the service in the store."""

Caller = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][^\s]{0,253}$")]
"""The name of a key, or an account's e-mail address."""


class Source(Section):
    """A bucket, or a part of one, that recordings may be read from."""

    prefix: Annotated[
        str, StringConstraints(pattern=r"^(gs|s3)://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/([^/\x00-\x1f]+/)*$")
    ]
    """What each `source_uri` begins with, such as `s3://originals/` or `gs://footage/2026/`. Ends with a
    slash."""
    credentials: AbsolutePath | None = None
    """A file with a key that may read there: of a service account for `gs://`, an access key in the AWS
    format for `s3://`. Default: that of the store if it is of the same kind, else the environment or the
    instance's role."""
    endpoint: Origin | None = None
    """For `s3://`: where the store is. Default: `storage.endpoint` with the s3 backend, else AWS."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = None
    """For `s3://`: the bucket's region. Default: as `endpoint`."""
    owners: Annotated[list[Caller], Field(min_length=1)] | None = None
    """The callers that may use it. Default: all."""

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.prefix.startswith("gs://"):
            for name in ("endpoint", "region"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is for s3:// prefixes: remove it")
        return self


class Owner(Section):
    """A caller whose objects have a place of their own in the store."""

    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9._-]*/)+$")]
    """Put behind `storage.prefix`, in front of the names of this caller's clips, shorts, reels and uploads.
    The caller may also cut from all objects below it. Ends with a slash."""
    credentials: AbsolutePath | None = None
    """A file with a key for these objects, as `storage.credentials`, or of a service account with the gcs
    backend. Default: as for all others."""


Owners = dict[Caller, Owner]


def store_root(storage: Storage) -> str:
    """What the URIs of all objects in a bucket's store begin with; empty for a folder."""
    scheme = {"gcs": "gs", "s3": "s3"}.get(storage.backend)
    return f"{scheme}://{storage.bucket}/{storage.prefix}" if scheme is not None else ""


def problems_of(storage: Storage, sources: Sequence[Source], owners: Mapping[str, Owner]) -> Iterator[str]:
    """What is wrong with the sections together: places that must be apart are not."""
    by_prefix = sorted((owner.prefix, name) for name, owner in owners.items())
    for prefix, name in by_prefix:
        if prefix.split("/")[0] in _RESERVED:
            yield f"owners.{name}.prefix: must not be in a folder of the service: choose another name"
    for (one, first), (other, second) in pairwise(by_prefix):
        if other.startswith(one):
            yield f"owners.{second}.prefix: must not be the same as that of {first}, or below it"
    for name, owner in owners.items():
        if owner.credentials is not None and storage.backend == "local":
            yield f"owners.{name}.credentials: is for buckets: remove it"
    for index, source in enumerate(sources):
        if (inside := _of_the_service(source.prefix, storage, owners)) is not None:
            yield f"sources.{index}.prefix: must not include {inside}: name a folder of recordings"


def _of_the_service(prefix: str, storage: Storage, owners: Mapping[str, Owner]) -> str | None:
    """What a prefix of recordings has of the service's own objects, if anything."""
    coordination = storage.coordination_bucket
    if coordination is not None and re.match(rf"(gs|s3)://{re.escape(coordination)}/", prefix):
        return "objects of storage.coordination_bucket"
    root = store_root(storage)
    if not root:
        return None
    if root.startswith(prefix):
        return "the objects of the service"
    below = prefix.removeprefix(root)
    if below == prefix:
        return None
    if below.split("/")[0] in _RESERVED:
        return "the objects of the service"
    for name, owner in owners.items():
        if below.startswith(owner.prefix) or owner.prefix.startswith(below):
            return f"the objects of owners.{name}"
    return None
