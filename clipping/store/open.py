"""The store that a configuration names."""

from __future__ import annotations

from pathlib import Path

from clipping.config import Config
from clipping.errors import ConfigurationError
from clipping.store.port import KEY, Store


def open_store(config: Config) -> Store:
    """Where clips go. Raises `ConfigurationError`, and `StoreUnavailable` for a folder that can't be used."""
    return _open(config, config.storage.bucket)


def open_coordination_store(config: Config) -> Store:
    """Where leases and heartbeats are: `storage.coordination_bucket`, or with the clips."""
    return _open(config, config.storage.coordination_bucket or config.storage.bucket)


def _open(config: Config, bucket: str | None) -> Store:
    storage = config.storage
    if not KEY.fullmatch(storage.prefix + "x"):
        raise ConfigurationError([f"storage.prefix: no name in {storage.prefix!r} may begin with a dot"])
    if storage.backend == "gcs":
        # Imported where it is used: a machine without a bucket does not wait for Google's libraries.
        from clipping.store.gcs import GcsStore

        assert bucket is not None, "checked by the configuration"
        return GcsStore(bucket, prefix=storage.prefix)
    if storage.path is None:
        raise ConfigurationError(["storage.path: is required by the local backend"])
    from clipping.store.local import LocalStore

    return LocalStore(Path(storage.path), public_url=config.api.public_url, prefix=storage.prefix)
