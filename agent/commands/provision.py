"""`clipping-agent provision`: topics, subscriptions, the bucket, its rules and the cluster's lease."""

from __future__ import annotations

import argparse
import json
import secrets

from agent.commands.configuration import load
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import Config
from clipping.contract.cluster import doctor_key, lease_key
from clipping.exits import EXIT_OK
from clipping.store.conditions import check_conditions
from clipping.store.cors import allow_uploads
from clipping.store.open import open_coordination_store
from clipping.store.retention import create_buckets, keep_clips
from health.cluster.registry import prepare_cluster


def run(arguments: argparse.Namespace) -> int:
    """Create or repair what is missing, and print the changes."""
    loaded = load(arguments)
    dry_run = arguments.dry_run
    changes = [str(change) for change in provision(loaded.pubsub.project, topology(loaded), dry_run=dry_run)]
    created = create_buckets(loaded, dry_run=dry_run)
    changes += [f"create the bucket {name}" for name in created]
    changes += keep_clips(loaded, dry_run=dry_run)
    changes += allow_uploads(loaded, dry_run=dry_run)
    changes += _prepare_lease(loaded, created, dry_run=dry_run)
    if arguments.json:
        print(json.dumps(changes))
    else:
        for change in changes:
            print(("would " if dry_run else "") + change)
        if not changes:
            print("nothing to change")
    return EXIT_OK


def _prepare_lease(loaded: Config, created: list[str], *, dry_run: bool) -> list[str]:
    """Create a new cluster's lease as free; without one the first agent would wait a TTL.

    `created` are the buckets that did not exist before, and with `dry_run` still do not. Raises
    `StoreUnavailable` for a store that no election can rely on.
    """
    if loaded.ha.mode != "primary-standby":
        return []
    store, cluster = open_coordination_store(loaded), loaded.agent.cluster
    if dry_run and (loaded.storage.coordination_bucket or loaded.storage.bucket) in created:
        return [f"create the lease of cluster {cluster}"]
    if not dry_run:
        check_conditions(store, doctor_key(cluster, f"provision-{secrets.token_hex(4)}"))
    if dry_run:
        made = not store.list(lease_key(cluster).rpartition("/")[0] + "/", limit=1).objects
    else:
        made = prepare_cluster(store, cluster, clock=SystemClock(), ttl_seconds=loaded.ha.ttl_seconds)
    return [f"create the lease of cluster {cluster}"] if made else []
