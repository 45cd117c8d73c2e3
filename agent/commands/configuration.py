"""Loads the configuration that the arguments name."""

from __future__ import annotations

import argparse

from agent.commands.parser import config_path
from clipping import config


def load(arguments: argparse.Namespace) -> config.Config:
    """The configuration of `--config`, or of the default file if it exists. Raises `ConfigurationError`."""
    return config.load(config_path(arguments))
