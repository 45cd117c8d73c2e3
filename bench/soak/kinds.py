"""The kinds of requests, and their expected results."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.soak.judge import CANCELLED, COMPLETED, Expected, failed
from bench.soak.recordings import GOOD, GOOD_SECONDS, GOP_SECONDS, SPARSE_SECONDS, Roots
from clipping.client import NewClip

Rng = random.Random
SURE = frozenset({COMPLETED})


@dataclass(frozen=True)
class Request:
    """A clip to request, and its expected result."""

    clip: NewClip
    expected: Expected


@dataclass(frozen=True)
class Kind:
    """A kind of request. `weight` is its relative frequency."""

    name: str
    weight: int
    make: Callable[[Rng, Roots], Request]
    then: str = ""
    """The next step: `cancel`, `repeat`, or `watch` its events. `batch`: several clips in one call.
    `refused`: the API must reject it."""


def _request(
    path: Path, start: float, end: float, *, expected: frozenset[str] = SURE, lead: float = 0.0, **fields: Any
) -> Request:
    rolls = fields.get("pre_roll_seconds", 0.0) + fields.get("post_roll_seconds", 0.0)
    clip = NewClip("soak", str(path), round(start, 3), round(end, 3), **fields)
    return Request(clip, Expected(expected, round(end, 3) - round(start, 3) + rolls, lead))


def _good(rng: Rng, roots: Roots) -> Path:
    return rng.choice(roots.all) / rng.choice(GOOD)


def _cut(mode: str, low: float, high: float, **fields: Any) -> Callable[[Rng, Roots], Request]:
    """A clip of `low` to `high` seconds anywhere in a good recording."""

    def make(rng: Rng, roots: Roots) -> Request:
        length = rng.uniform(low, high)
        start = rng.uniform(4.0, GOOD_SECONDS - 4.0 - length) if length < GOOD_SECONDS - 8.0 else 0.0
        lead = GOP_SECONDS if mode == "copy" else 0.0
        return _request(_good(rng, roots), start, start + length, lead=lead, mode=mode, **fields)

    return make


def _bad(name: str, *codes: str, end: float = 8.0, start: float = 4.0) -> Callable[[Rng, Roots], Request]:
    """A request that must fail in every mode."""

    def make(rng: Rng, roots: Roots) -> Request:
        mode = rng.choice(["copy", "smart", "encode"])
        outcomes = frozenset(failed(code) for code in codes)
        return _request(rng.choice(roots.all) / name, start, end, expected=outcomes, mode=mode)

    return make


def _sparse(rng: Rng, roots: Roots) -> Request:
    start = rng.uniform(3.0, 30.0)
    mode = rng.choice(["copy", "smart", "encode"])
    lead = float(SPARSE_SECONDS) if mode == "copy" else 0.0
    return _request(rng.choice(roots.all) / "sparse.mp4", start, start + 2.0, lead=lead, mode=mode)


def _damaged(rng: Rng, roots: Roots) -> Request:
    """A clip around damaged data. Both a clip with a warning and an error about the recording are correct."""
    mode = rng.choice(["copy", "smart", "encode"])
    outcomes = SURE | {failed("SOURCE_CORRUPT"), failed("CUT_VERIFICATION_FAILED")}
    start = rng.uniform(22.0, 30.0)
    path = rng.choice(roots.all) / "damaged.mp4"
    return _request(path, start, start + 6.0, expected=outcomes, lead=2 * GOP_SECONDS, mode=mode)


def _medium(rng: Rng, roots: Roots) -> Request:
    start = rng.uniform(0.0, 40.0)
    return _request(_good(rng, roots), start, start + 5.0, output_quality="medium")


def _shaped(rng: Rng, roots: Roots) -> Request:
    start = rng.uniform(0.0, 40.0)
    output: Mapping[str, Any] = {
        "aspect": rng.choice(["9:16", "1:1", "4:5"]),
        "fit": rng.choice(["center_crop", "smart_crop", "letterbox", "blur"]),
        "height": 320,
    }
    return _request(_good(rng, roots), start, start + 2.0, output=output)


def _urgent(rng: Rng, roots: Roots) -> Request:
    request = _cut("smart", 1.0, 4.0, priority=rng.choice(["high", "low"]), metadata={"table": "7"})
    return request(rng, roots)


def _cancelled(rng: Rng, roots: Roots) -> Request:
    request = _cut(rng.choice(["copy", "encode"]), 5.0, 40.0)(rng, roots)
    either = frozenset({COMPLETED, CANCELLED})
    return Request(request.clip, Expected(either, request.expected.seconds, request.expected.most_lead))


def _invalid(rng: Rng, roots: Roots) -> Request:
    path, clip = roots.marked / "night.mp4", rng.randrange(4)
    if clip == 0:
        return _request(path, 9.0, 8.0)
    if clip == 1:
        return _request(Path("night.mp4"), 1.0, 2.0)
    if clip == 2:
        return _request(path, 1.0, 2.0, more={"colour": "blue"})
    return _request(path, 1.0, 5000.0)


KINDS = (
    Kind("copy", 8, _cut("copy", 1.0, 10.0)),
    Kind("smart", 8, _cut("smart", 1.0, 10.0)),
    Kind("encode", 5, _cut("encode", 1.0, 6.0)),
    Kind("medium", 2, _medium),
    Kind("long encode", 1, _cut("encode", 40.0, 50.0)),
    Kind("long copy", 1, _cut("copy", 50.0, 50.0)),
    Kind("tiny", 2, _cut("smart", 0.04, 0.2)),
    Kind("pre and post roll", 2, _cut("copy", 1.0, 3.0, pre_roll_seconds=1.5, post_roll_seconds=1.0)),
    Kind("output shape", 1, _shaped),
    Kind("priority", 3, _urgent),
    Kind("sparse frames", 2, _sparse),
    Kind("damaged", 2, _damaged),
    Kind("batch", 2, _cut("copy", 1.0, 4.0), then="batch"),
    Kind("watched", 3, _cut("smart", 1.0, 6.0), then="watch"),
    Kind("repeated", 3, _cut("copy", 1.0, 4.0), then="repeat"),
    Kind("cancelled", 4, _cancelled, then="cancel"),
    Kind("invalid", 2, _invalid, then="refused"),
    Kind("missing file", 2, _bad("nowhere.mp4", "SOURCE_NOT_FOUND")),
    Kind("beyond the end", 2, _bad("night.mp4", "RANGE_BEYOND_END", start=58.0, end=64.0)),
    Kind("truncated", 1, _bad("truncated.mp4", "SOURCE_CORRUPT")),
    Kind("garbage", 1, _bad("garbage.mp4", "SOURCE_CORRUPT")),
    Kind("no video", 1, _bad("audio-only.mp4", "SOURCE_HAS_NO_VIDEO")),
    Kind("link to the outside", 1, _bad("elsewhere.mp4", "SOURCE_NOT_ALLOWED")),
)


def deck(rng: Rng) -> list[Kind]:
    """Every kind as often as its weight, shuffled, so that even a short run has each of them."""
    cards = [kind for kind in KINDS for _ in range(kind.weight)]
    rng.shuffle(cards)
    return cards
