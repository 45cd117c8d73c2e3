"""Opens the stores of a configuration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clipping.config import Config
from clipping.errors import ConfigurationError
from clipping.store.filesystem import network_type
from clipping.store.local import MOUNTS, LocalStore
from clipping.store.port import KEY, Store

_UPLOADS_LEAVE = 2
"""Times `agent.min_free_bytes`: what agents need on the same disk to work, and room for their clips."""


def open_store(config: Config, *, owner: str | None = None) -> Store:
    """The store for clips: of a caller, the place that `owners` gives it, if any.

    Raises `ConfigurationError`, and `StoreUnavailable` when a folder is unusable.
    """
    return _open(config, config.storage.bucket, owner=owner if owner in config.owners else None)


def open_coordination_store(config: Config, *, mounts: Path = MOUNTS) -> Store:
    """The store for leases and heartbeats: `storage.coordination_bucket`, or the one for clips.

    No call takes much longer than `ha.store_timeout_seconds`, and calls are not retried. Raises like
    `open_store`, and `ConfigurationError` when the store is not safe for an election.
    """
    bucket = config.storage.coordination_bucket or config.storage.bucket
    store = _open(config, bucket, call_seconds=config.ha.store_timeout_seconds, mounts=mounts)
    if isinstance(store, LocalStore) and (problems := _election_problems(config, store.network)):
        raise ConfigurationError(problems)
    return store


def check_file_system(config: Config, *, mounts: Path = MOUNTS) -> None:
    """Check, without opening it, that an agent can use the folder of a local store for all that it is to keep
    there.

    Raises `ConfigurationError` when it is on a network file system, where objects can be created but neither
    replaced nor deleted, and the configuration needs more than that.
    """
    storage = config.storage
    if storage.backend != "local" or storage.path is None:
        return
    network = network_type(Path(storage.path).resolve(), mounts.read_text(errors="replace"))
    problems = _election_problems(config, network)
    if network is not None and config.checkpoints.remote:
        problems.append(
            f"checkpoints.remote: storage.path {storage.path} is on a network file system ({network}), where "
            "segments would never be deleted: use a local disk or a bucket, or set it to false"
        )
    if problems:
        raise ConfigurationError(problems)


def _election_problems(config: Config, network: str | None) -> list[str]:
    if network is None or config.ha.mode != "primary-standby":
        return []
    return [
        f"storage.path: {config.storage.path} is on a network file system ({network}), which "
        "is not safe for leases: use a local disk or a bucket, or a ha.mode without an election"
    ]


def _open(
    config: Config,
    bucket: str | None,
    *,
    call_seconds: float | None = None,
    mounts: Path = MOUNTS,
    owner: str | None = None,
) -> Store:
    storage = config.storage
    below, key = "", None
    if owner is not None:
        own = config.owners[owner]
        below, key = own.prefix, Path(own.credentials) if own.credentials is not None else None
    if not KEY.fullmatch(storage.prefix + "x"):
        raise ConfigurationError([f"storage.prefix: no name in {storage.prefix!r} may start with a dot"])
    # The libraries of the clouds are imported lazily: only one of them is needed, if any.
    if storage.backend == "gcs":
        from clipping.store.gcs import GcsStore

        assert bucket is not None, "checked by the configuration"
        return GcsStore(bucket, prefix=storage.prefix + below, call_seconds=call_seconds, credentials=key)
    if storage.backend == "s3":
        from clipping.store.s3 import S3Store
        from clipping.store.s3_client import endpoint_of

        assert bucket is not None, "checked by the configuration"
        endpoint = endpoint_of(storage)
        if key is not None:
            endpoint = replace(endpoint, credentials=key, credentials_name=f"owners.{owner}.credentials")
        return S3Store(bucket, endpoint, prefix=storage.prefix + below, call_seconds=call_seconds)
    if storage.path is None:
        raise ConfigurationError(["storage.path: is required by the local backend"])
    return LocalStore(
        Path(storage.path),
        public_url=config.api.public_url,
        prefix=storage.prefix,
        below=below,
        min_free_bytes=_UPLOADS_LEAVE * config.agent.min_free_bytes,
        mounts=mounts,
    )
