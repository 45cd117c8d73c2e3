"""What differs between a clip and a reel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.specs import reel_spec
from agent.work.deferred import cause
from agent.work.kinds import object_key, recordings, table
from clipping.config import NasRoot
from clipping.contract.messages import RequestMessage, parse_clip_request
from clipping.contract.reel import ReelMessage, parse_reel_request, parse_work
from clipping.errors import InvalidRequest, SourceUnavailable

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def part(path: str, start: float = 1, **fields: Any) -> dict[str, Any]:
    return {"nas_video_path": path, "start_seconds": start, "end_seconds": start + 2, **fields}


def reel(*parts: dict[str, Any], **fields: Any) -> ReelMessage:
    request = parse_reel_request(
        {"reel_id": "best-of", "clips": list(parts), **fields}, max_reel_seconds=60, max_clip_seconds=60
    )
    return ReelMessage.of(request, request_id="reel-20261120-8t3vq0z6m4k1h9pn", owner="web", requested_at=NOW)


CLIP = RequestMessage.of(
    parse_clip_request({"hand_id": "hand-1", **part("/b/x.mp4")}, max_clip_seconds=60),
    request_id="clip-20261120-8t3vq0z6m4k1h9pn",
    owner="web",
    requested_at=NOW,
)
SHORT = CLIP.model_copy(update={"output": CLIP.output.model_copy(update={"aspect": "9:16"})})
REEL = reel(part("/a/x.mp4"), part("/b/x.mp4"), part("/a/x.mp4", 9))


def failed(index: int | None) -> SourceUnavailable:
    error = SourceUnavailable("x")
    error.part = index
    return error


def test_each_kind_has_keys_of_its_own() -> None:
    assert object_key(CLIP, "mp4") == "clips/hand-1/clip-20261120-8t3vq0z6m4k1h9pn.mp4"
    assert object_key(SHORT, "mp4") == "shorts/hand-1/clip-20261120-8t3vq0z6m4k1h9pn.mp4"
    assert object_key(REEL, "tsv") == "reels/best-of/reel-20261120-8t3vq0z6m4k1h9pn.tsv"


def test_each_kind_is_parsed_as_what_it_is() -> None:
    assert parse_work(CLIP.to_json()) == CLIP
    assert parse_work(REEL.to_json()) == REEL


def test_an_agent_without_reels_refuses_one() -> None:
    with pytest.raises(InvalidRequest):  # it goes to the dead-letter topic at once: see the upgrade page
        RequestMessage.from_json(REEL.to_json())


def test_only_a_reel_that_asks_for_it_has_a_table() -> None:
    assert table(CLIP) is None
    assert table(REEL) is None
    text = table(reel(part("/a/x.mp4", hand_id="hand-7"), tsv=True))
    assert text is not None
    assert text.splitlines()[1].startswith("0:01.00\t0:03.00\thand-7")


def test_an_error_is_about_the_recording_of_its_part() -> None:
    assert recordings(CLIP, failed(None)) == ("/b/x.mp4",)
    assert recordings(REEL, failed(1)) == ("/b/x.mp4",)
    assert recordings(REEL, failed(None)) == ("/a/x.mp4", "/b/x.mp4")


@pytest.mark.parametrize(
    ("index", "names"), [(0, ("nas /a",)), (1, ("nas /b",)), (None, ("nas /a", "nas /b"))]
)
def test_a_reel_waits_for_the_roots_that_its_error_is_about(
    index: int | None, names: tuple[str, ...]
) -> None:
    roots = [NasRoot(path="/a"), NasRoot(path="/b"), NasRoot(path="/c")]
    error = failed(index)
    assert cause(error, recordings(REEL, error), roots) == names


def test_the_engine_gets_the_parts_in_order_with_their_names() -> None:
    titles = reel(part("/a/x.mp4", title="Goal"), part("/b/y.mp4", 4.2, hand_id="hand-2"), part("/c/z.mp4"))
    spec = reel_spec(titles)
    assert [(str(one.source), one.title) for one in spec.parts] == [
        ("/a/x.mp4", "Goal"),
        ("/b/y.mp4", "hand-2"),
        ("/c/z.mp4", "Part 3"),
    ]
    assert (float(spec.parts[1].in_point), float(spec.parts[1].out_point)) == (4.2, 6.2)
    assert (spec.transition, spec.mode, spec.chapters) == ("cut", "smart", True)
