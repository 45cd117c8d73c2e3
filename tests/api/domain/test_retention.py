"""How long objects and links live: decisions without a store."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain.retention import Retention, Signed, is_due
from clipping.config import validate
from clipping.store.layout import FOLDERS, Folder
from tests.api.messages import NOW

spans = st.timedeltas(timedelta(seconds=1), timedelta(days=4000))
moments = st.timedeltas(timedelta(days=-4000), timedelta(days=4000)).map(lambda span: NOW + span)
retentions = st.builds(Retention, clips=spans, shorts=spans, link=spans)
folders = st.sampled_from(FOLDERS)


def test_the_lives_are_configured() -> None:
    tree = {"storage": {"retention_days": 5}, "limits": {"short_retention_hours": 1.5}}
    kept = Retention.of(validate(tree))
    assert [kept.life(folder) for folder in FOLDERS] == [
        timedelta(days=5),
        timedelta(hours=1.5),
        timedelta(days=5),
    ]
    assert Retention.of(validate({})).shorts == timedelta(days=1)


def test_an_endless_life_is_possible() -> None:
    kept = Retention.of(validate({"storage": {"retention_days": 10**12}}))
    assert kept.expires_at("clips", NOW).year > 2100


@given(retentions, folders, moments, moments)
def test_what_is_deleted_has_expired_and_the_other_way_round(
    kept: Retention, folder: Folder, stored_at: datetime, now: datetime
) -> None:
    deleted = stored_at <= kept.cutoffs(now)[folder]
    assert deleted == (kept.expires_at(folder, stored_at) <= now)


@given(retentions, folders, moments, spans)
def test_nothing_is_deleted_before_its_life_is_over(
    kept: Retention, folder: Folder, stored_at: datetime, age: timedelta
) -> None:
    if age < kept.life(folder):
        assert stored_at > kept.cutoffs(stored_at + age)[folder]


@given(moments, spans, moments, moments, spans)
def test_a_link_that_is_left_alone_works(
    signed_at: datetime, lasts: timedelta, now: datetime, expires_at: datetime, life: timedelta
) -> None:
    link = Signed(signed_at, signed_at + lasts)
    due = is_due(link, life=life, expires_at=expires_at, now=now)
    assert is_due(None, life=life, expires_at=expires_at, now=now) == (now < expires_at)
    if now >= expires_at:
        assert not due
    elif not due:
        assert link.until > now


@given(moments, spans, spans, spans)
def test_a_new_link_is_not_signed_again_before_half_its_life(
    now: datetime, life: timedelta, rest: timedelta, granted: timedelta
) -> None:
    expires_at = now + rest
    link = Signed(now, now + min(life, rest, granted))  # a store may grant less
    lasts = link.until - now
    for part in (0.0, 0.25, 0.499):
        assert not is_due(link, life=life, expires_at=expires_at, now=now + lasts * part)
    later = now + lasts * 0.75
    # One that lives as long as its object can't get longer.
    assert is_due(link, life=life, expires_at=expires_at, now=later) == (
        expires_at - later > 2 * (link.until - later)
    )


@pytest.mark.parametrize(("days", "due"), [(3.4, False), (3.6, True), (7, True), (29.9, True), (30, False)])
def test_a_link_of_seven_days(days: float, due: bool) -> None:
    week, month = timedelta(days=7), NOW + timedelta(days=30)
    now = NOW + timedelta(days=days)
    assert is_due(Signed(NOW, NOW + week), life=week, expires_at=month, now=now) == due
