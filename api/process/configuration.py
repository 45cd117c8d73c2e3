"""Where the configuration comes from when no command line names it."""

from __future__ import annotations

import os
from pathlib import Path

from clipping.config import Config, load

CONFIG_VARIABLE = "CLIPPING_CONFIG"
"""Names the configuration's file. `CLIPPING_SECTION__KEY` variables are laid over it."""


def configuration() -> Config:
    """Raises `ConfigurationError`."""
    path = os.environ.get(CONFIG_VARIABLE)
    return load(Path(path) if path else None)
