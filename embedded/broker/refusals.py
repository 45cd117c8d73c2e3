"""What a request can be refused with: one class for each gRPC status that the broker answers."""

from __future__ import annotations

from typing import ClassVar

import grpc


class Refusal(Exception):
    """Ends a request; `str(e)` is the sentence that the caller gets as the status's details."""

    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.INTERNAL


class InvalidArgument(Refusal):
    """A field is missing, malformed or out of range."""

    status = grpc.StatusCode.INVALID_ARGUMENT


class NotFound(Refusal):
    """No such topic or subscription."""

    status = grpc.StatusCode.NOT_FOUND


class AlreadyExists(Refusal):
    """The name is taken."""

    status = grpc.StatusCode.ALREADY_EXISTS


class FailedPrecondition(Refusal):
    """The subscription is detached, or a push one where a pull one is needed."""

    status = grpc.StatusCode.FAILED_PRECONDITION


class Unimplemented(Refusal):
    """A part of Pub/Sub that this broker does not have."""

    status = grpc.StatusCode.UNIMPLEMENTED


class Unavailable(Refusal):
    """The broker is stopping, or its disk fails; the client tries again."""

    status = grpc.StatusCode.UNAVAILABLE
