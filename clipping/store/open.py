"""Opens the stores of a configuration."""

from __future__ import annotations

from pathlib import Path

from clipping.config import Config
from clipping.errors import ConfigurationError
from clipping.store.local import MOUNTS, LocalStore
from clipping.store.port import KEY, Store


def open_store(config: Config) -> Store:
    """The store for clips. Raises `ConfigurationError`, and `StoreUnavailable` when a folder is unusable."""
    return _open(config, config.storage.bucket)


def open_coordination_store(config: Config, *, mounts: Path = MOUNTS) -> Store:
    """The store for leases and heartbeats: `storage.coordination_bucket`, or the one for clips.

    No call takes much longer than `ha.store_timeout_seconds`, and calls are not retried. Raises like
    `open_store`, and `ConfigurationError` when the store is not safe for an election.
    """
    bucket = config.storage.coordination_bucket or config.storage.bucket
    store = _open(config, bucket, call_seconds=config.ha.store_timeout_seconds, mounts=mounts)
    network = store.network if isinstance(store, LocalStore) else None
    if network is not None and config.ha.mode == "primary-standby":
        raise ConfigurationError(
            [
                f"storage.path: {config.storage.path} is on a network file system ({network}), which "
                "is not safe for leases: use a local disk or a bucket, or a ha.mode without an election"
            ]
        )
    return store


def _open(
    config: Config, bucket: str | None, *, call_seconds: float | None = None, mounts: Path = MOUNTS
) -> Store:
    storage = config.storage
    if not KEY.fullmatch(storage.prefix + "x"):
        raise ConfigurationError([f"storage.prefix: no name in {storage.prefix!r} may start with a dot"])
    if storage.backend == "gcs":
        # Imported lazily: without a bucket there is no need to load Google's libraries.
        from clipping.store.gcs import GcsStore

        assert bucket is not None, "checked by the configuration"
        return GcsStore(bucket, prefix=storage.prefix, call_seconds=call_seconds)
    if storage.path is None:
        raise ConfigurationError(["storage.path: is required by the local backend"])
    return LocalStore(
        Path(storage.path), public_url=config.api.public_url, prefix=storage.prefix, mounts=mounts
    )
