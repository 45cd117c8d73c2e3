"""How long objects are kept, and when a link to one is signed again. Pure.

The life of an object is counted from when the API recorded it, by the API's own clock: an agent's clock may
be wrong, and an object must not be deleted before its time. So a bucket's lifecycle rule, which counts from
the upload, may delete an object a little before the API counts it as expired, where a completion was late.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from clipping.config import Config
from clipping.store.layout import FOLDERS, Folder

_LONGEST_DAYS = 36_500
"""Longer lives are cut to this, so that sums stay within the years of a `datetime`."""


@dataclass(frozen=True)
class Retention:
    """The configured lives."""

    clips: timedelta
    shorts: timedelta
    link: timedelta
    """Of a download link."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """As configured."""
        return cls(
            clips=timedelta(days=min(config.storage.retention_days, _LONGEST_DAYS)),
            shorts=timedelta(hours=config.limits.short_retention_hours),
            link=timedelta(days=config.storage.signed_url_days),
        )

    def life(self, folder: Folder) -> timedelta:
        """How long the objects of this folder are kept."""
        return self.shorts if folder == "shorts" else self.clips

    def expires_at(self, folder: Folder, stored_at: datetime) -> datetime:
        """When an object is deleted that was recorded at `stored_at`."""
        return stored_at + self.life(folder)

    def cutoffs(self, now: datetime) -> Mapping[Folder, datetime]:
        """For each folder: objects that were recorded then or earlier have expired."""
        return {folder: now - self.life(folder) for folder in FOLDERS}


@dataclass(frozen=True)
class Signed:
    """When a link was signed, and until when it works."""

    at: datetime
    until: datetime


def is_due(link: Signed | None, *, life: timedelta, expires_at: datetime, now: datetime) -> bool:
    """Whether to sign a new link: this one is missing or dead, or has less than half of the life left that a
    new one would have.

    A new one lives for `life`, until the object expires at most, and not longer than this one did: signatures
    with temporary credentials end with them.
    """
    if now >= expires_at:
        return False
    if link is None or link.until <= now:
        return True
    new = min(life, expires_at - now, max(link.until - link.at, timedelta()))
    return link.until - now < new / 2
