"""Loads the configuration that the arguments name."""

from __future__ import annotations

import argparse

from agent.commands.parser import DEFAULT_CONFIG
from clipping import config


def load(arguments: argparse.Namespace) -> config.Config:
    """The configuration of `--config`, or of the default file if it exists. Raises `ConfigurationError`."""
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return config.load(path)
