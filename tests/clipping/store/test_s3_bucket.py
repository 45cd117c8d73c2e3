"""Buckets and lifecycle rules, on SeaweedFS."""

from __future__ import annotations

from typing import Any

import pytest

from clipping.errors import StoreUnavailable
from clipping.store.s3 import S3Store
from clipping.store.s3_client import Endpoint
from clipping.store.s3_lifecycle import MOST_RULES, aborting, expiring, with_rules
from tests.support.http_proxy import HttpProxy, s3_error
from tests.support.seaweed import Seaweed

THEIRS: dict[str, Any] = {
    "ID": "archive",
    "Status": "Enabled",
    "Filter": {"Prefix": "clips/"},
    "Transitions": [{"Days": 7, "StorageClass": "GLACIER"}],
}


def test_a_bucket_without_rules_gets_ours() -> None:
    ((rule,), _) = with_rules([], [expiring("team/clips/", 30)])
    assert rule == {
        "ID": "clipping-keep-team-clips",
        "Status": "Enabled",
        "Filter": {"Prefix": "team/clips/"},
        "Expiration": {"Days": 30},
    }


def test_an_existing_rule_is_not_changed() -> None:
    ours = {**expiring("clips/", 30), "ID": "of-another-name"}
    assert with_rules([THEIRS, ours], [expiring("clips/", 30)]) == ([THEIRS, ours], [])


def test_other_days_are_replaced_and_other_rules_stay() -> None:
    tagged = {**expiring("clips/", 3), "ID": "x", "Filter": {"Tag": {"Key": "a", "Value": "b"}}}
    others = [THEIRS, tagged, {**expiring("tmp/", 3), "ID": "tmp"}, aborting("clips/", 1)]
    former = {**expiring("clips/", 10), "ID": "by-hand"}
    wanted = expiring("clips/", 30)
    assert with_rules([former, *others], [wanted]) == ([*others, wanted], [wanted])


def test_prefixes_that_look_alike_have_rules_of_their_own() -> None:
    prefixes = ("a/b/", "a-b/", "a.b/", "a--b/", "a_b/", f"{'x' * 300}/", f"{'x' * 301}/")
    rules: list[Any] = []
    for prefix in prefixes:
        rules, _ = with_rules(rules, [expiring(f"{prefix}clips/", 30)])
    assert len({rule["ID"] for rule in rules}) == len(rules) == len(prefixes)
    assert max(len(rule["ID"]) for rule in rules) <= 255


def test_a_bucket_is_created_once_and_keeps_the_rules_of_others(seaweed: Seaweed) -> None:
    store = S3Store("fresh-bucket", Endpoint(seaweed.url, credentials=seaweed.credentials), prefix="team/")
    bucket = store.bucket
    assert not bucket.exists()
    assert bucket.keep_for({"clips/": 30}, dry_run=True), "the bucket may be missing in a dry run"
    bucket.create()
    bucket.create()
    assert bucket.exists()
    theirs = {**expiring("other/", 5), "ID": "theirs"}
    seaweed.admin.put_bucket_lifecycle_configuration(
        Bucket="fresh-bucket", LifecycleConfiguration={"Rules": [theirs]}
    )
    assert bucket.keep_for({"clips/": 30}, dry_run=True)
    assert bucket.keep_for({"clips/": 30}, dry_run=False)
    assert bucket.drop_unfinished(dry_run=False)
    assert bucket.keep_for({"reels/": 30}, dry_run=False)
    assert not bucket.keep_for({"clips/": 30}, dry_run=False)
    assert not bucket.drop_unfinished(dry_run=False)
    assert bucket.keep_for({"clips/": 60}, dry_run=False)
    rules = seaweed.admin.get_bucket_lifecycle_configuration(Bucket="fresh-bucket")["Rules"]
    assert {rule["ID"]: rule["Filter"]["Prefix"] for rule in rules} == {
        "theirs": "other/",
        "clipping-keep-team-clips": "team/clips/",
        "clipping-keep-team-reels": "team/reels/",
        "clipping-unfinished-team": "team/",
    }
    assert [rule["Expiration"]["Days"] for rule in rules if rule["ID"].endswith("-clips")] == [60]
    store.close()


def test_more_rules_than_a_bucket_takes_are_refused_before_any_is_set(
    seaweed: Seaweed, s3_bucket: str
) -> None:
    store = S3Store(s3_bucket, Endpoint(seaweed.url, credentials=seaweed.credentials))
    lives = {f"caller-{number}/clips/": 30 for number in range(MOST_RULES)}
    assert len(store.bucket.keep_for(lives, dry_run=True)) == MOST_RULES
    with pytest.raises(StoreUnavailable, match="would have 1001 lifecycle rules, and takes 1000: remove"):
        store.bucket.keep_for({**lives, "clips/": 30}, dry_run=True)
    store.close()


def test_a_store_without_rules_for_parts_gets_the_others(seaweed: Seaweed, s3_bucket: str) -> None:
    with HttpProxy(seaweed.host_port) as proxy:
        proxy.before = lambda asked: (
            s3_error(501, "NotImplemented") if asked.method == "PUT" and "lifecycle" in asked.path else None
        )
        store = S3Store(s3_bucket, Endpoint(proxy.url, credentials=seaweed.credentials))
        assert not store.bucket.drop_unfinished(dry_run=False)
        store.close()
