"""Request errors: one class for each gRPC status that the broker returns."""

from __future__ import annotations

from typing import ClassVar

import grpc


class Refusal(Exception):
    """Fails a request. `str(e)` becomes the details of the gRPC status."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL


class InvalidArgument(Refusal):
    """A field is missing, malformed or out of range."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(Refusal):
    """No such topic or subscription."""

    status = grpc.StatusCode.NOT_FOUND


class AlreadyExists(Refusal):
    """The name is in use."""

    status = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(Refusal):
    """The subscription is detached, or it is a push subscription and the method needs a pull subscription."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Unimplemented(Refusal):
    """A feature of Pub/Sub that this broker does not support."""

    status = grpc.StatusCode.UNIMPLEMENTED


class Unavailable(Refusal):
    """The broker is stopping, or its disk fails. Clients retry."""

    status = grpc.StatusCode.UNAVAILABLE
