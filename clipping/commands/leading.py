"""`clipping agents` and `clipping failover`, for administrators."""

from __future__ import annotations

import argparse
from typing import get_args

from clipping.cli import Command
from clipping.commands.common import a_time, add_connection
from clipping.contract.choices import FailoverMode


def configure_agents(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping agents`."""
    change = parser.add_mutually_exclusive_group()
    change.add_argument("--pause", action="store_true", help="disable automatic takeovers")
    change.add_argument("--resume", action="store_true", help="enable automatic takeovers")
    parser.add_argument("--reason", help="shown to other administrators")
    parser.add_argument("--until", type=a_time, metavar="TIME", help="when the pause ends by itself")
    add_connection(parser)


def configure_failover(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping failover`."""
    parser.add_argument(
        "--from",
        dest="from_agent",
        metavar="A",
        help="A must stop leading; does nothing if it does not lead",
    )
    parser.add_argument(
        "--to",
        dest="to_agent",
        metavar="B",
        help="B must lead (default: the best standby); does nothing if it leads already",
    )
    # An agent alone used to mean "from" or "to", depending on which agent led.
    parser.add_argument("agent", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument(
        "--mode",
        choices=get_args(FailoverMode),
        default="graceful",
        help="graceful finishes the clips in flight first, fast gives them back (default: %(default)s)",
    )
    parser.add_argument("--reason", help="shown to other administrators and logged")
    parser.add_argument("--no-wait", action="store_true", help="don't wait until it is finished")
    parser.add_argument(
        "--idempotency-key", metavar="KEY", help="a repeated command with this key is the same failover"
    )
    add_connection(parser)


AGENTS = Command(
    "show the agents, or pause automatic takeovers", configure_agents, "clipping.commands.run.leading:agents"
)
FAILOVER = Command(
    "hand over the lead from one agent, or to one",
    configure_failover,
    "clipping.commands.run.leading:failover",
)
