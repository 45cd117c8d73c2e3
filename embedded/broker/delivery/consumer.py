"""Flow control of a consumer: a stream, a pull request or a push sender. Pure."""

from __future__ import annotations

from collections.abc import Callable

_UNLIMITED = 1 << 62


class Consumer:
    """Counts the outstanding messages of a consumer. A limit of 0 or less means no limit."""

    __slots__ = ("bytes", "max_bytes", "max_messages", "messages", "on_capacity")

    def __init__(
        self, max_messages: int = 0, max_bytes: int = 0, on_capacity: Callable[[], None] | None = None
    ) -> None:
        self.on_capacity = on_capacity
        self.max_messages = max_messages if max_messages > 0 else _UNLIMITED
        self.max_bytes = max_bytes if max_bytes > 0 else _UNLIMITED
        self.messages = 0
        self.bytes = 0

    def has_capacity(self) -> bool:
        """Whether it accepts another message. The last one may exceed the limit of bytes; otherwise a message
        larger than the limit could never be delivered."""
        return self.messages < self.max_messages and self.bytes < self.max_bytes

    def add(self, size: int) -> None:
        """Count a delivered message of `size` bytes."""
        self.messages += 1
        self.bytes += size

    def remove(self, size: int) -> None:
        """Stop counting a message of `size` bytes that is settled or whose lease has expired."""
        was_full = not self.has_capacity()
        self.messages -= 1
        self.bytes -= size
        if was_full and self.on_capacity is not None and self.has_capacity():
            self.on_capacity()
