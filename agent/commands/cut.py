"""`clipping-agent cut`: the engine alone, without the cloud and a configuration."""

from __future__ import annotations

import argparse

from agent.cutting.process.client import engine_server
from clipping.arguments import load


def run(arguments: argparse.Namespace) -> int:
    """Cut a clip."""
    return launched("agent.commands.cut_run:run", arguments)


def launched(command: str, arguments: argparse.Namespace) -> int:
    """Start the engine's process, and load the command while the process loads what it needs."""
    server = engine_server()
    server.launch(fork=True)
    try:
        return int(load(command)(arguments, server))
    finally:
        server.close()
