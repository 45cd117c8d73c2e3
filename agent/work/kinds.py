"""What differs between the kinds of requests, a clip or a reel, apart from how they are made. Pure."""

from __future__ import annotations

from clipping.contract.choices import Beside
from clipping.contract.messages import RequestMessage
from clipping.contract.recording import recording_of
from clipping.contract.reel import ReelMessage, WorkMessage, table_of
from clipping.errors import ClippingError
from clipping.store.layout import beside_key, output_key


def object_key(message: WorkMessage, extension: str) -> str:
    """The key of the request's clip or reel with this extension."""
    return output_key(message.request_id, message.hand_id, extension, short=is_short(message))


def key_beside(message: WorkMessage, file: Beside) -> str:
    """The key of what lies beside the request's clip or reel."""
    return beside_key(object_key(message, "x"), message.request_id, file)


def is_short(message: WorkMessage) -> bool:
    """Whether it is a vertical clip, which is kept for a shorter time."""
    return isinstance(message, RequestMessage) and message.output.short


def table(message: WorkMessage) -> str | None:
    """The table that goes beside the object; None if none was requested."""
    return table_of(message) if isinstance(message, ReelMessage) and message.tsv else None


def recordings(message: WorkMessage, error: ClippingError) -> tuple[str, ...]:
    """The recordings that an error of the request may be about: that of the part which it names."""
    match message:
        case RequestMessage():
            return (recording_of(message),)
        case ReelMessage():
            parts = message.clips if error.part is None else (message.clips[error.part],)
            return tuple(dict.fromkeys(recording_of(part) for part in parts))
