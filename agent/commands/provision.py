"""`clipping-agent provision`: topics, subscriptions, the bucket's lifecycle rule and the cluster's lease."""

from __future__ import annotations

import argparse
import json

from agent.commands.configuration import load
from clipping.bus.provision import provision
from clipping.bus.topology import topology
from clipping.clock import SystemClock
from clipping.config import Config
from clipping.contract.cluster import lease_key
from clipping.exits import EXIT_OK
from clipping.store.open import open_coordination_store
from clipping.store.retention import keep_clips
from health.cluster.registry import prepare_cluster


def run(arguments: argparse.Namespace) -> int:
    """Create or repair what is missing, and print the changes."""
    loaded = load(arguments)
    dry_run = arguments.dry_run
    changes = [str(change) for change in provision(loaded.pubsub.project, topology(loaded), dry_run=dry_run)]
    changes += keep_clips(loaded, dry_run=dry_run)
    changes += _prepare_lease(loaded, dry_run=dry_run)
    if arguments.json:
        print(json.dumps(changes))
    else:
        for change in changes:
            print(("would " if dry_run else "") + change)
        if not changes:
            print("nothing to change")
    return EXIT_OK


def _prepare_lease(loaded: Config, *, dry_run: bool) -> list[str]:
    """Create a new cluster's lease as free; without one the first agent would wait a TTL."""
    if loaded.ha.mode != "primary-standby":
        return []
    store, cluster = open_coordination_store(loaded), loaded.agent.cluster
    if dry_run:
        made = not store.list(lease_key(cluster).rpartition("/")[0] + "/", limit=1).objects
    else:
        made = prepare_cluster(store, cluster, clock=SystemClock(), ttl_seconds=loaded.ha.ttl_seconds)
    return [f"create the lease of cluster {cluster}"] if made else []
