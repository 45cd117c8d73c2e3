"""What OpenAPI can't say about a good request: rules between fields, and times that move on.

A generated request that is good by the contract is made good by these rules too, so that its refusal is a
finding; one that is meant to be bad stays as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import schemathesis
import yaml
from openapi_schema_validator import OAS31Validator

from clipping.contract.messages import parse_clip_request
from clipping.contract.reel import parse_reel_request
from clipping.errors import InvalidRequest
from clipping.timecode import parse_seconds

_CONTRACT = yaml.safe_load((Path(__file__).parents[3] / "openapi.yaml").read_text(encoding="utf-8"))
_TIMES = ("start_seconds", "end_seconds", "pre_roll_seconds", "post_roll_seconds")
_LARGEST_UPLOAD = 5_000_000_000
_LATEST_START, _LONGEST = 100_000.0, 600.0


def _validator(name: str) -> OAS31Validator:
    components = {"components": _CONTRACT["components"]}
    return OAS31Validator({"$ref": f"#/components/schemas/{name}", **components})


_GOOD = {
    name: _validator(name)
    for name in (
        "ClipRequest",
        "ReelRequest",
        "BatchRequest",
        "BatchClip",
        "FailoverRequest",
        "PauseRequest",
        "UploadRequest",
    )
}


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Mend what is good by the contract."""
    match case.operation.definition.raw.get("operationId"):
        case "requestClip" if _GOOD["ClipRequest"].is_valid(case.body):
            case.body = _possible(case.body)
        case "requestReel" if _GOOD["ReelRequest"].is_valid(case.body):
            case.body = _possible_reel(case.body)
        case "requestBatch" if _GOOD["BatchRequest"].is_valid(case.body):
            case.body = {"clips": [_possible(clip) for clip in case.body["clips"]]}
        case "beginUpload" if _GOOD["UploadRequest"].is_valid(case.body):
            case.body = {**case.body, "size_bytes": min(case.body["size_bytes"], _LARGEST_UPLOAD)}
        case "requestBatch":
            case.body = _refused(case.body)
        case "pauseTakeovers" if _GOOD["PauseRequest"].is_valid(case.body) and "until" in case.body:
            until = datetime.now(UTC) + timedelta(days=1)
            case.body = {**case.body, "until": until.isoformat()}
        case "failOver" if _GOOD["FailoverRequest"].is_valid(case.body):
            case.body = {**case.body, "wait_seconds": min(1, case.body.get("wait_seconds", 1))}
            if case.body.get("direction") == "to":
                case.body = {name: value for name, value in case.body.items() if name != "target"}
        case "listClips" if case.meta and case.meta.generation.mode.is_positive and case.query:
            # A cursor belongs to the filters that it was given for. Paging has tests of its own.
            case.query = {name: value for name, value in case.query.items() if name != "cursor"}


def _refused(body: Any) -> Any:
    """A bad batch without its good clips: they are accepted, whatever becomes of the others."""
    if not isinstance(body, dict) or not isinstance(body.get("clips"), list):
        return body
    bad = [clip for clip in body["clips"] if not _GOOD["BatchClip"].is_valid(clip)]
    return {**body, "clips": bad} if bad else body


def _possible(body: dict[str, Any]) -> dict[str, Any]:
    """With an end behind its start, not too long, and effects and an output that its mode can make."""
    mended = _on_the_nas(body)
    times = {name: _seconds(body[name]) for name in _TIMES if name in body}
    start, end = times["start_seconds"], times["end_seconds"]
    if start > _LATEST_START or not start < end <= start + _LONGEST / 3:
        start = min(start, _LATEST_START)
        mended |= {"start_seconds": start, "end_seconds": start + 10}
    mended |= {name: 1 for name in _TIMES[2:] if times.get(name, 0) > _LONGEST / 10}
    item_id = mended.pop("client_item_id", None)
    for left_out in ("effects", "mode", "output"):
        try:
            parse_clip_request(mended, max_clip_seconds=_LONGEST, max_short_seconds=_LONGEST)
        except InvalidRequest:
            mended.pop(left_out, None)
    return mended if item_id is None else {**mended, "client_item_id": item_id}


def _possible_reel(body: dict[str, Any]) -> dict[str, Any]:
    """With parts of ten seconds one after the other, and effects, an output and a mode that go together."""
    mended = {**body, "transition": {**body.get("transition", {}), "duration": 0.5}}
    mended["clips"] = [
        {
            **_on_the_nas(part),
            **dict.fromkeys(_TIMES[2:], 0),
            "start_seconds": 20 * n,
            "end_seconds": 20 * n + 10,
        }
        for n, part in enumerate(body["clips"])
    ]
    for left_out in ("effects", "mode", "output"):
        try:
            parse_reel_request(mended, max_reel_seconds=_LONGEST, max_clip_seconds=_LONGEST)
        except InvalidRequest:
            mended.pop(left_out, None)
            mended["clips"] = [
                {name: value for name, value in part.items() if name != left_out} for part in mended["clips"]
            ]
    return mended


def _on_the_nas(body: dict[str, Any]) -> dict[str, Any]:
    """With a path: exactly one of path, URI and id must be given, and no made-up URI or id names anything."""
    mended = {name: value for name, value in body.items() if name not in ("source_uri", "recording_id")}
    return mended | {"nas_video_path": body.get("nas_video_path") or "/nas/table-7.mp4"}


def _seconds(value: float | str) -> float:
    # Python's `$` takes a line's end for the end, and so does what is generated by a pattern.
    return parse_seconds(value.rstrip("\n") if isinstance(value, str) else value)
