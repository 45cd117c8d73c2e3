"""`clipping-agent check-config`: validates the configuration."""

from __future__ import annotations

import argparse

from agent.commands.configuration import load
from clipping.exits import EXIT_OK
from health.page.token import read_token


def run(arguments: argparse.Namespace) -> int:
    """Raises `ConfigurationError` with every problem."""
    read_token(load(arguments).health.token_file)
    print("the configuration is valid")
    return EXIT_OK
