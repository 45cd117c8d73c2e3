"""Loads the configuration of a process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from clipping.config import Config, load
from clipping.log import set_up

CONFIG_VARIABLE = "CLIPPING_CONFIG"
"""The variable with the configuration file's path. `CLIPPING_SECTION__KEY` variables override the file."""


def configuration() -> Config:
    """Raises `ConfigurationError`."""
    path = os.environ.get(CONFIG_VARIABLE)
    return load(Path(path) if path else None)


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration of `--config`; sets the log up as it says. Raises `ConfigurationError`."""
    config = load(arguments.config)
    set_up(config.log.format, config.log.level, identifier="clipping-api")
    return config
