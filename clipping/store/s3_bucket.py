"""What `clipping-agent provision` sets up: the bucket, and how long it keeps objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from clipping.errors import StoreUnavailable
from clipping.log import get_logger
from clipping.store.cors import s3_rules
from clipping.store.s3_client import DEFAULT_REGION, Connections
from clipping.store.s3_failures import (
    S3_ERRORS,
    code_of,
    is_denied,
    is_missing_bucket,
    is_refused_rule,
    is_unsupported,
    unavailable,
)
from clipping.store.s3_lifecycle import MOST_RULES, Rule, aborting, expiring, with_rules

log = get_logger(__name__)

UNFINISHED_DAYS = 1
"""How long the parts of an upload that was broken off are kept."""


class S3Bucket:
    """A bucket. Calls raise `StoreUnavailable`."""

    def __init__(self, name: str, prefix: str, connections: Connections) -> None:
        self._name, self._prefix, self._connections = name, prefix, connections

    def exists(self) -> bool:
        """Whether there is one, as far as these credentials may know."""
        try:
            return self._looked_up()
        except S3_ERRORS as error:
            raise unavailable(f"look up the bucket {self._name}", self._name, error) from error

    def _looked_up(self) -> bool:
        client = self._connections.call()
        try:
            try:
                client.head_bucket(Bucket=self._name)
            except ClientError as error:
                if not is_denied(error):
                    raise
                # A HEAD's answer has no body to say why: a wrong key, a wrong clock, someone else's bucket.
                client.list_objects_v2(Bucket=self._name, MaxKeys=1)
        except ClientError as error:
            if is_missing_bucket(error):
                return False
            raise
        return True

    def create(self) -> None:
        """Create it, in the store's region, with its default of no public access."""
        request: dict[str, Any] = {"Bucket": self._name}
        if self._connections.is_aws and self._connections.region != DEFAULT_REGION:
            request["CreateBucketConfiguration"] = {"LocationConstraint": self._connections.region}
        try:
            self._connections.patient().create_bucket(**request)
        except S3_ERRORS as error:
            if code_of(error) == "BucketAlreadyOwnedByYou":
                return
            if is_denied(error):
                raise StoreUnavailable(
                    f"storage.bucket: there is no bucket {self._name}, and this access key may not create "
                    "one: create it, or allow the key s3:CreateBucket"
                ) from error
            raise unavailable(f"create the bucket {self._name}", self._name, error) from error

    def keep_for(self, lives: Mapping[str, int], *, dry_run: bool) -> list[str]:
        """Set it to delete objects under each prefix after these days. Returns the prefixes for which that
        was not set already."""
        rules = {prefix: expiring(self._prefix + prefix, days) for prefix, days in lives.items()}
        try:
            changed = self._set(list(rules.values()), dry_run=dry_run)
        except S3_ERRORS as error:
            raise unavailable("set how long clips are kept", self._name, error) from error
        return [prefix for prefix, rule in rules.items() if rule in changed]

    def drop_unfinished(self, *, dry_run: bool) -> bool:
        """Set it to delete the parts of unfinished uploads after a day. False when it is set already, or when
        the store has no such rule: most of those clean up by themselves."""
        try:
            return bool(self._set([aborting(self._prefix, UNFINISHED_DAYS)], dry_run=dry_run))
        except S3_ERRORS as error:
            if is_refused_rule(error):
                log.warning("store.rule_unsupported", rule="AbortIncompleteMultipartUpload")
                return False
            raise unavailable("set how long unfinished uploads are kept", self._name, error) from error

    def allow_uploads(self, origins: Sequence[str], *, dry_run: bool) -> bool:
        """Set it to let pages of these origins upload. False when that is set already, or when the store has
        no such rules: most of those let all pages in."""
        try:
            rules = s3_rules(self._cors(dry_run=dry_run), origins)
            if rules is not None and not dry_run:
                client = self._connections.patient()
                if rules:
                    client.put_bucket_cors(Bucket=self._name, CORSConfiguration={"CORSRules": rules})
                else:
                    client.delete_bucket_cors(Bucket=self._name)
        except S3_ERRORS as error:
            if is_unsupported(error) or (not origins and is_denied(error)):
                if origins:
                    log.warning("store.rule_unsupported", rule="CORS")
                return False
            raise unavailable("set which pages may upload", self._name, error) from error
        return rules is not None

    def _cors(self, *, dry_run: bool) -> Sequence[Mapping[str, Any]]:
        try:
            answer = self._connections.patient().get_bucket_cors(Bucket=self._name)
        except ClientError as error:
            code = code_of(error)
            if code == "NoSuchCORSConfiguration" or (dry_run and code == "NoSuchBucket"):
                return []
            raise
        rules: Sequence[Mapping[str, Any]] = answer.get("CORSRules", [])
        return rules

    def _set(self, ours: Sequence[Rule], *, dry_run: bool) -> list[Rule]:
        """Set these rules, in one request, as it replaces all of the bucket's. Returns those that are new."""
        rules, changed = with_rules(self._rules(dry_run=dry_run), ours)
        if changed and len(rules) > MOST_RULES:
            raise StoreUnavailable(
                f"the bucket {self._name} would have {len(rules)} lifecycle rules, and takes {MOST_RULES}: "
                "remove those of callers that are no longer in owners, or let callers share a place"
            )
        if changed and not dry_run:
            self._connections.patient().put_bucket_lifecycle_configuration(
                Bucket=self._name, LifecycleConfiguration={"Rules": rules}
            )
        return changed

    def _rules(self, *, dry_run: bool) -> Sequence[Rule]:
        try:
            answer = self._connections.patient().get_bucket_lifecycle_configuration(Bucket=self._name)
        except ClientError as error:
            code = code_of(error)
            if code == "NoSuchLifecycleConfiguration" or (dry_run and code == "NoSuchBucket"):
                return []
            raise
        rules = answer.get("Rules", [])
        if not isinstance(rules, list):
            raise StoreUnavailable("The store's response has no valid lifecycle rules.")
        return rules
