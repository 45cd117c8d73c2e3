"""Which connections a server closes: the overdue and, of too many, the oldest idle ones. Pure."""

from __future__ import annotations

import enum
import heapq
import ipaddress
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the clients of one server may use. Times are seconds."""

    connections: int = 1000
    """Above this the oldest idle connections are closed."""
    reserve: int = 50
    """Accepted beyond `connections`. While no connection can be closed, only health checks are answered on
    these."""
    body_bytes: int = 128 << 20
    """What the larger bodies that are held at one time may announce together. Further ones are refused."""
    head_seconds: float = 10.0
    """From the first byte of a request to the end of its headers."""
    request_seconds: float = 30.0
    """From the first byte of a request to the end of its body."""
    idle_seconds: float = 620.0
    """Between two requests. Google's load balancers reuse a connection for 600 s."""
    unread_seconds: float = 60.0
    """Without any progress while an answer waits for the client to read it."""
    crowded_unread_seconds: float = 10.0
    """The same while no connection can be closed to make room."""
    linger_seconds: float = 5.0
    """How long a refused client may go on sending before the connection is closed under it."""


class Phase(enum.IntEnum):
    """What a connection is doing. The order is the one in which connections are closed to make room."""

    LINGERING = 0
    """Its last answer is sent; what still comes in is discarded, so that the client can read the answer."""
    IDLE = 1
    HEAD = 2
    """Part of a request's headers has arrived."""
    BODY = 3
    """Part of a request's body has arrived."""
    UNREAD = 4
    """An answer waits for the client to read it."""
    BUSY = 5
    """A request is being answered."""


_CLOSED_FOR_ROOM = Phase.BODY
"""The last of the phases in which a connection may be closed to make room."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection at one moment."""

    id: int
    network: str
    """See `network_of`."""
    phase: Phase
    since: float
    """HEAD, BODY: the request's first byte. IDLE, UNREAD: the last byte in or out. LINGERING: its start."""


def network_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)


def overdue(
    connections: Iterable[Connection], limits: Limits, now: float, *, crowded: bool = False
) -> list[Connection]:
    """The connections whose deadline has passed. `crowded`: none can be closed to make room."""
    seconds = {
        Phase.LINGERING: limits.linger_seconds,
        Phase.IDLE: limits.idle_seconds,
        Phase.HEAD: limits.head_seconds,
        Phase.BODY: limits.request_seconds,
        Phase.UNREAD: limits.crowded_unread_seconds if crowded else limits.unread_seconds,
        Phase.BUSY: float("inf"),
    }
    return [each for each in connections if now - each.since > seconds[each.phase]]


def to_make_room(connections: Iterable[Connection], surplus: int) -> list[Connection]:
    """Up to `surplus` connections to close, each time one of the client that has most.

    So one client's flood displaces its own connections and not those of others, and where all clients share
    the address of a proxy, the oldest go. Connections with a request or with unread output are never chosen.
    """
    counts: Counter[str] = Counter()
    closable: dict[str, list[Connection]] = {}
    for each in connections:
        counts[each.network] += 1
        if each.phase <= _CLOSED_FOR_ROOM:
            closable.setdefault(each.network, []).append(each)
    queues = {
        network: deque(sorted(found, key=lambda one: (one.phase, one.since)))
        for network, found in closable.items()
    }
    heap = [(-counts[network], queue[0].since, network) for network, queue in queues.items()]
    heapq.heapify(heap)
    chosen: list[Connection] = []
    while heap and len(chosen) < surplus:
        negative, _, network = heapq.heappop(heap)
        queue = queues[network]
        chosen.append(queue.popleft())
        if queue:
            heapq.heappush(heap, (negative + 1, queue[0].since, network))
    return chosen
