"""The contract for the documentation page, with examples that work on this installation. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_START, _END = 0, 5
"""The times of the clips in the examples: early, as recordings for a first try may be short."""
_METHODS = ("get", "head", "post", "put", "delete", "patch")


def shown(contract: Json, recording: str | None) -> Json:
    """A copy without internal routes, and without examples that refer to missing resources.

    The page sends each parameter's example and the first example of each body unchanged. `recording` replaces
    the recordings in the bodies.
    """
    copy: Json = json.loads(json.dumps(contract))
    schemes = copy["components"]["securitySchemes"]
    users = {name for requirement in copy["security"] for name in requirement}
    copy["components"]["securitySchemes"] = {name: schemes[name] for name in schemes if name in users}
    for path, item in list(copy["paths"].items()):
        for method in _METHODS:
            needed = item.get(method, {}).get("security", [])
            if any(name not in users for requirement in needed for name in requirement):
                del item[method]
        if not any(method in item for method in _METHODS):
            del copy["paths"][path]
    for parameter in _parameters(copy):
        parameter.pop("example", None)
    if recording is not None:
        for body in _bodies(copy):
            for index, clip in enumerate(body.get("clips", [body])):
                if "nas_video_path" in clip:
                    # The parts of a reel must not overlap.
                    start = _START + (_END * index if "reel_id" in body else 0)
                    times = {"start_seconds": start, "end_seconds": start + _END}
                    clip |= {"nas_video_path": recording, **times}
    return copy


def _parameters(contract: Json) -> Iterator[Json]:
    yield from contract["components"]["parameters"].values()
    for item in contract["paths"].values():
        yield from item.get("parameters", [])
        for method in _METHODS:
            yield from item.get(method, {}).get("parameters", [])


def _bodies(contract: Json) -> Iterator[Json]:
    """The examples of request bodies."""
    for item in contract["paths"].values():
        for method in _METHODS:
            for media in item.get(method, {}).get("requestBody", {}).get("content", {}).values():
                if "example" in media:
                    yield media["example"]
                yield from (example["value"] for example in media.get("examples", {}).values())
