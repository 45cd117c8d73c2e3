"""Acknowledgement ids, which encode the subscription, the message and the delivery attempt."""

from __future__ import annotations

from embedded.broker.refusals import InvalidArgument

_MAX_SEQ = 1 << 62


def ack_id(subscription: int, seq: int, attempt: int) -> str:
    """The id of one delivery. A subscription that is deleted and created again has a new number, so that old
    ids do not match it."""
    return f"{subscription:x}-{seq:x}-{attempt:x}"


def parse_ack_id(text: str) -> tuple[int, int, int]:
    """The subscription, seq and attempt of an id. Raises InvalidArgument."""
    try:
        subscription, seq, attempt = text.split("-")
        parsed = int(subscription, 16), int(seq, 16), int(attempt, 16)
    except ValueError:
        raise InvalidArgument("You have passed an invalid ack ID to the service.") from None
    if not 0 <= parsed[1] < _MAX_SEQ:
        raise InvalidArgument("You have passed an invalid ack ID to the service.")
    return parsed
