"""Hands over a client's connection from the HTTP server to a receiver that a view names.

An event stream is open for minutes. It would occupy one of the server's threads, and every open connection
costs time in the server's loop. So, when the view's response is due, its header and the socket are handed
over.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

ENVIRON_KEY = "clipping.take_over"
"""A key of the WSGI environment: a function that takes a `Taker`; a view may call it once."""


@dataclass(frozen=True)
class Handed:
    """A client's connection, which the receiver now writes to and closes."""

    connection: socket.socket
    head: bytes
    """The HTTP header of the view's response, not yet sent."""
    chunked: bool
    """Whether the header announces a chunked body; else the body ends with the connection."""


Taker = Callable[[Handed], None]
"""Called on the server's thread: must return at once."""
