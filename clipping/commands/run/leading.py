"""`clipping agents` and `clipping failover`, for administrators."""

from __future__ import annotations

import argparse
import time

from clipping.client import Client, Cluster, Failover, PauseState
from clipping.commands.run.common import ago, misused, note, say, table
from clipping.commands.run.service import connect
from clipping.exits import EXIT_FAILED, EXIT_OK

LONGEST_CALL_SECONDS = 50.0
"""Below the service's maximum of 55 s for one call."""
POLL_SECONDS = 1.0


def agents(arguments: argparse.Namespace) -> int:
    """Show the agents, or pause their automatic takeovers."""
    with connect(arguments) as client:
        if arguments.pause or arguments.resume:
            return _pause(client, arguments)
        cluster = client.agents()
    say(cluster.to_json() if arguments.json else _text(cluster))
    return EXIT_OK


def failover(arguments: argparse.Namespace) -> int:
    """Hand over the lease. Exit with 1 when that fails."""
    _check_agents(arguments)
    with connect(arguments) as client:
        operation = client.failover(
            from_agent=arguments.from_agent,
            to_agent=arguments.to_agent,
            mode=arguments.mode,
            reason=arguments.reason,
            wait_seconds=0.0 if arguments.no_wait else LONGEST_CALL_SECONDS,
            idempotency_key=arguments.idempotency_key,
        )
        # The service ends every operation at its time limit.
        while not operation.finished and not arguments.no_wait:
            note(f"{operation.operation_id}: {operation.state}")
            time.sleep(POLL_SECONDS)
            operation = client.failover_status(operation.operation_id)
    say(operation.to_json() if arguments.json else _came_to(operation, arguments))
    return EXIT_FAILED if operation.state in ("failed", "expired") else EXIT_OK


def _check_agents(arguments: argparse.Namespace) -> None:
    if arguments.agent is not None:
        misused(
            f"{arguments.agent} alone is ambiguous: use --from {arguments.agent} or --to {arguments.agent}"
        )
    if arguments.from_agent is None and arguments.to_agent is None:
        misused("name the agent that must stop leading (--from A), the new leader (--to B), or both")
    if arguments.from_agent == arguments.to_agent:
        misused("--from and --to must name different agents")


def _pause(client: Client, arguments: argparse.Namespace) -> int:
    if arguments.pause:
        state = client.pause(reason=arguments.reason, until=arguments.until)
    else:
        state = client.resume(reason=arguments.reason)
    say(state.to_json() if arguments.json else _paused(state))
    return EXIT_OK


def _text(cluster: Cluster) -> str:
    leads = f"{cluster.leader} leads" if cluster.leader else "no agent leads"
    rows = [
        (
            agent.agent_id,
            agent.role,
            agent.status,
            ago(agent.last_heartbeat),
            agent.queue_depth,
            agent.completed_clips_24h,
            agent.version or "?",
            "; ".join(agent.reasons),
        )
        for agent in cluster.agents
    ]
    head = ("agent", "role", "status", "seen", "working", "done 24h", "version", "reasons")
    lines = [f"cluster {cluster.cluster}, epoch {cluster.epoch}: {leads}", table(head, rows)]
    if cluster.paused:
        lines.append(_paused(PauseState(cluster=cluster.cluster, paused=True, pause=cluster.pause)))
    return "\n".join(lines)


def _paused(state: PauseState) -> str:
    if not state.paused:
        return "automatic takeovers are on"
    if state.pause is None:
        return "automatic takeovers are paused"
    until = f", until {state.pause.until.isoformat(timespec='seconds')}" if state.pause.until else ""
    reason = f": {state.pause.reason}" if state.pause.reason else ""
    return f"automatic takeovers are paused by {state.pause.paused_by}{until}{reason}"


def _came_to(operation: Failover, arguments: argparse.Namespace) -> str:
    if operation.nothing_to_do:
        return f"{_as_it_is(operation, arguments)}: nothing to do"
    match operation.state:
        case "done":
            return f"{operation.new_primary} leads since epoch {operation.epoch}"
        case "failed" | "expired":
            return f"{operation.operation_id}: {operation.state}: {operation.error or 'no reason was given'}"
        case _:
            return f"{operation.operation_id}: {operation.state}"


def _as_it_is(operation: Failover, arguments: argparse.Namespace) -> str:
    leader = operation.new_primary
    if arguments.to_agent is not None and leader == arguments.to_agent:
        return f"{leader} leads already, since epoch {operation.epoch}"
    others = f"{leader} leads since epoch {operation.epoch}" if leader else "no agent leads"
    return f"{arguments.from_agent} does not lead ({others})"
