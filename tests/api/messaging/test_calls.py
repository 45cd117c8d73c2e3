"""How messages are divided into calls to Pub/Sub."""

from __future__ import annotations

from api.db.outbox import Message
from api.messaging.outbox_publisher import CALL_BYTES, in_calls


def test_a_call_has_a_limited_number_of_messages_and_bytes() -> None:
    def calls(*sizes: int) -> list[list[int]]:
        messages = [Message(number, "a", "k", b"x" * size) for number, size in enumerate(sizes)]
        return [[message.id for message in call] for call in in_calls(messages, 3)]

    assert calls() == []
    assert calls(1, 1, 1, 1) == [[0, 1, 2], [3]]
    assert calls(CALL_BYTES, 1, CALL_BYTES - 1, 2) == [[0], [1, 2], [3]]
    assert calls(2 * CALL_BYTES, 1) == [[0], [1]], "larger than a call, by itself"
