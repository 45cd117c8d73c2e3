"""A view may take its client's connection over from the HTTP server, and serve it itself.

An event stream is open for minutes and would hold one of the server's threads all the time, and every open
connection costs the server's loop something at each turn. So the connection leaves both: once the view's
answer is due, its header and the socket are handed to the receiver that the view named.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

ENVIRON_KEY = "clipping.take_over"
"""Of the WSGI environment: a function that takes a `Taker`, to be called by a view at most once."""


@dataclass(frozen=True)
class Handed:
    """A client's connection, from now on the taker's to write to and to close."""

    connection: socket.socket
    head: bytes
    """The HTTP header of the view's answer, still to be sent."""
    chunked: bool
    """Whether the header promises a body in chunks; else it ends with the connection."""


Taker = Callable[[Handed], None]
"""Called on the server's own thread: must return at once."""
