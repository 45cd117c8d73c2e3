"""Loads the configuration without a command line."""

from __future__ import annotations

import os
from pathlib import Path

from clipping.config import Config, load

CONFIG_VARIABLE = "CLIPPING_CONFIG"
"""The variable with the configuration file's path. `CLIPPING_SECTION__KEY` variables override the file."""


def configuration() -> Config:
    """Raises `ConfigurationError`."""
    path = os.environ.get(CONFIG_VARIABLE)
    return load(Path(path) if path else None)
