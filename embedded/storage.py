"""The store of `clipping up`: a folder, or a bucket, which is made ready before the first process starts."""

from __future__ import annotations

import argparse
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from clipping.config import Config, Storage, overridden
from clipping.config.fields import Origin
from clipping.contract.cluster import doctor_key
from clipping.errors import ConfigurationError, StoreUnavailable
from clipping.store.conditions import check_conditions
from clipping.store.cors import allow_uploads
from clipping.store.open import open_coordination_store
from clipping.store.retention import create_buckets, keep_clips

OPTIONS = ("endpoint", "bucket", "credentials")
_VARIABLE = "CLIPPING_STORAGE__{}"
_FOREVER = (
    "The store may keep clips forever: run `clipping-agent provision` with a key that may set lifecycle rules"
)


def apply_options(arguments: argparse.Namespace, over: Mapping[str, Any]) -> None:
    """Set `--store` and its options as variables, which take precedence over `over` (`--config`) in this
    process and in those that it starts. Raises `ConfigurationError`."""
    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    settings = dict(given) if arguments.store is None else {"backend": arguments.store, **given}
    if "endpoint" in given and not _is_origin(given["endpoint"]):
        raise ConfigurationError(
            [
                f"--endpoint: {given['endpoint']!r} must be scheme, host and port alone, as in http://nas.local:9000"
            ]
        )
    if "credentials" in given:
        path = Path(given["credentials"]).resolve()
        if not path.is_file():
            raise ConfigurationError(
                [f"--credentials: {path} is not a file: write the access key to it, see docs/how-to/s3.md"]
            )
        settings["credentials"] = str(path)
    former = overridden(dict(over)).get("storage") or {}
    storage = {**former, **settings} if isinstance(former, dict) else settings
    if storage.get("backend") != "s3" and given:
        raise ConfigurationError([f"--{name}: is for --store s3: add that" for name in given])
    if arguments.store == "s3" and storage.get("bucket") is None:
        raise ConfigurationError(["--bucket: is required by --store s3: name one, which may be missing yet"])
    for name, value in settings.items():
        # Quoted, as a bucket's name may look like a number.
        os.environ[_VARIABLE.format(name.upper())] = yaml.safe_dump(value, default_style='"').strip()


def _is_origin(text: str) -> bool:
    try:
        TypeAdapter(Origin).validate_python(text)
    except ValidationError:
        return False
    return True


def name_of(storage: Storage) -> str | None:
    """The bucket of the clips, as the start of their URIs; None for a folder."""
    if storage.backend == "local":
        return None
    return f"{'gs' if storage.backend == 'gcs' else storage.backend}://{storage.bucket}/{storage.prefix}"


def check_former(storage: Storage, configuration: Path) -> None:
    """Check that a data folder is used with the store in which its requests have their clips and its agents
    their lease. `configuration` is what its former start wrote.

    Raises `ConfigurationError`.
    """
    try:
        tree = yaml.safe_load(configuration.read_text())
        keys = {
            name: tree["storage"][name] for name in ("backend", "bucket", "prefix") if name in tree["storage"]
        }
    except (FileNotFoundError, yaml.YAMLError, TypeError, KeyError):
        return  # none, or one that was not written to its end
    former, now = name_of(Storage.model_validate(keys)), name_of(storage)
    if former != now:
        raise ConfigurationError(
            [
                f"--store: the clips of this data folder are in {former or 'its own store'}, not in "
                f"{now or 'its own store'}: start with the former options and variables, or with another "
                "--data"
            ]
        )


def prepare(config: Config, notify: Callable[[str], None]) -> None:
    """Make an S3-compatible store ready: create the bucket if it is missing, check that it refuses writes
    whose condition does not hold, and set how long it keeps objects. `notify` is called with each change.

    Raises `StoreUnavailable`.
    """
    if config.storage.backend != "s3":
        return
    for name in create_buckets(config, dry_run=False):
        notify(f"store: create the bucket {name}")
    store = open_coordination_store(config)
    check_conditions(store, doctor_key(config.agent.cluster, f"up-{secrets.token_hex(4)}"))
    try:
        for change in keep_clips(config, dry_run=False):
            notify(f"store: {change}")
    except StoreUnavailable as error:
        # An access key without this right can do all else, and an administrator may have set the rules.
        notify(f"warning: {error.message} {_FOREVER}")
    try:
        for change in allow_uploads(config, dry_run=False):
            notify(f"store: {change}")
    except StoreUnavailable as error:
        notify(f"warning: {error.message} Pages of api.cors_origins may not be able to upload.")
