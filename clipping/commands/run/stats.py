"""`clipping stats`: statistics over a period."""

from __future__ import annotations

import argparse

from clipping.client import Stats
from clipping.commands.run.common import say
from clipping.commands.run.service import connect
from clipping.exits import EXIT_OK


def run(arguments: argparse.Namespace) -> int:
    """Print statistics of the caller's requests (an administrator's: of all)."""
    with connect(arguments) as client:
        stats = client.stats(arguments.period)
    say(stats.to_json() if arguments.json else _text(stats))
    return EXIT_OK


def _text(stats: Stats) -> str:
    rows = [
        ("requests", f"{stats.total_requests} in {stats.period}"),
        ("completed", f"{stats.completed} ({stats.success_rate:.1%} of those that ended)"),
        ("failed", str(stats.failed)),
        ("queued", f"{stats.queued} now"),
        ("processing", f"{stats.avg_processing_time_sec:.2f} s on average"),
        ("", f"{stats.p95_processing_time_sec:.2f} s at the 95th percentile"),
        ("output", f"{stats.total_output_bytes / 1e6:.1f} MB"),
    ]
    return "\n".join(f"{name:11}{value}" for name, value in rows)
