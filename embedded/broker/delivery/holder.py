"""One who takes messages: a stream, a pull request or a push sender, with its flow control. Pure."""

from __future__ import annotations

from collections.abc import Callable

_UNLIMITED = 1 << 62


class Holder:
    """Counts what it has been given and has not settled; a limit of 0 or less means none."""

    __slots__ = ("bytes", "max_bytes", "max_messages", "messages", "on_room")

    def __init__(
        self, max_messages: int = 0, max_bytes: int = 0, on_room: Callable[[], None] | None = None
    ) -> None:
        self.on_room = on_room
        self.max_messages = max_messages if max_messages > 0 else _UNLIMITED
        self.max_bytes = max_bytes if max_bytes > 0 else _UNLIMITED
        self.messages = 0
        self.bytes = 0

    def has_room(self) -> bool:
        """Whether it takes another message. The last one may go over the limit of bytes, as otherwise a
        message larger than the limit could never be delivered."""
        return self.messages < self.max_messages and self.bytes < self.max_bytes

    def add(self, size: int) -> None:
        """It was given a message of `size` bytes."""
        self.messages += 1
        self.bytes += size

    def remove(self, size: int) -> None:
        """A message of `size` bytes is settled or its lease is over."""
        was_full = not self.has_room()
        self.messages -= 1
        self.bytes -= size
        if was_full and self.on_room is not None and self.has_room():
            self.on_room()
