"""Adapts methods to gRPC: names, messages, and errors as statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from embedded.broker.refusals import Refusal, Unimplemented

UnaryMethod = Callable[[Any, Any], Awaitable[Any]]
"""Takes the request and the grpc.aio.ServicerContext, returns the response."""
StreamMethod = Callable[[Any], Awaitable[None]]
"""Takes the grpc.aio.ServicerContext, reads and writes there."""


def unary(method: UnaryMethod, request: Any) -> grpc.RpcMethodHandler:
    """The handler of a unary method with a request of the given class."""

    async def handle(message: Any, context: Any) -> Any:
        try:
            return await method(message, context)
        except Refusal as refusal:
            await context.abort(refusal.status, str(refusal))

    return grpc.unary_unary_rpc_method_handler(
        handle, request_deserializer=request.FromString, response_serializer=_serialize
    )


def stream(method: StreamMethod, request: Any) -> grpc.RpcMethodHandler:
    """The handler of a bidirectional streaming method."""

    async def handle(_requests: Any, context: Any) -> None:
        try:
            await method(context)
        except Refusal as refusal:
            await context.abort(refusal.status, str(refusal))

    return grpc.stream_stream_rpc_method_handler(
        handle, request_deserializer=request.FromString, response_serializer=_serialize
    )


def unimplemented(what: str, request: Any) -> grpc.RpcMethodHandler:
    """The handler of an unsupported method."""

    async def refuse(_message: Any, _context: Any) -> Any:
        raise Unimplemented(f"{what} are not supported by the embedded broker.")

    return unary(refuse, request)


def empty() -> Any:
    """google.protobuf.Empty."""
    return Empty()


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
