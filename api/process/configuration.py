"""Loads the configuration of a process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipping.config import Config

CONFIG_VARIABLE = "CLIPPING_CONFIG"
"""The variable with the configuration file's path. `CLIPPING_SECTION__KEY` variables override the file."""


def configuration_path() -> Path | None:
    """The file that the variable names."""
    path = os.environ.get(CONFIG_VARIABLE)
    return Path(path) if path else None


def configuration() -> Config:
    """The configuration of that file. Raises `ConfigurationError`."""
    from clipping.config import load

    return load(configuration_path())


def configured(arguments: argparse.Namespace) -> Config:
    """The configuration of `--config`; sets the log up as it says. Raises `ConfigurationError`."""
    from clipping.config import load
    from clipping.log import set_up

    config = load(arguments.config)
    set_up(config.log.format, config.log.level, identifier="clipping-api")
    return config
