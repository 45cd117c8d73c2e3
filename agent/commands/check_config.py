"""`clipping-agent check-config`: validates the configuration."""

from __future__ import annotations

import argparse

from agent.commands.configuration import load
from clipping.exits import EXIT_OK
from clipping.store.open import check_file_system
from health.page.token import read_token


def run(arguments: argparse.Namespace) -> int:
    """Raises `ConfigurationError` with every problem."""
    config = load(arguments)
    read_token(config.health.token_file)
    check_file_system(config)
    print("the configuration is valid")
    return EXIT_OK
