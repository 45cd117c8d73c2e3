"""`clipping-agent reel`: the engine alone, as `clipping-agent cut`, for a reel."""

from __future__ import annotations

import argparse

from agent.commands.cut import launched


def run(arguments: argparse.Namespace) -> int:
    """Make a reel."""
    return launched("agent.commands.reel_run:run", arguments)
