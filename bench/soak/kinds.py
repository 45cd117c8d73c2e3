"""The kinds of requests, and what each deserves."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.soak.judge import CANCELLED, COMPLETED, Expected, failed
from bench.soak.recordings import GOOD, GOOD_SECONDS, GOP_SECONDS, SPARSE_SECONDS, Roots
from clipping.client import NewClip

Dice = random.Random
SURE = frozenset({COMPLETED})


@dataclass(frozen=True)
class Wish:
    """A clip to ask for, and what must become of it."""

    clip: NewClip
    expected: Expected


@dataclass(frozen=True)
class Kind:
    """`weight` is how often it comes, compared with the others."""

    name: str
    weight: int
    make: Callable[[Dice, Roots], Wish]
    then: str = ""
    """What follows: `cancel`, `repeat`, or `watch` its events. `batch`: several in one call.
    `refused`: the API has to refuse it."""


def _wish(
    path: Path, start: float, end: float, *, expected: frozenset[str] = SURE, lead: float = 0.0, **fields: Any
) -> Wish:
    rolls = fields.get("pre_roll_seconds", 0.0) + fields.get("post_roll_seconds", 0.0)
    clip = NewClip("soak", str(path), round(start, 3), round(end, 3), **fields)
    return Wish(clip, Expected(expected, round(end, 3) - round(start, 3) + rolls, lead))


def _good(dice: Dice, roots: Roots) -> Path:
    return dice.choice(roots.all) / dice.choice(GOOD)


def _cut(mode: str, low: float, high: float, **fields: Any) -> Callable[[Dice, Roots], Wish]:
    """A clip of `low` to `high` seconds anywhere in a good recording."""

    def make(dice: Dice, roots: Roots) -> Wish:
        length = dice.uniform(low, high)
        start = dice.uniform(4.0, GOOD_SECONDS - 4.0 - length) if length < GOOD_SECONDS - 8.0 else 0.0
        lead = GOP_SECONDS if mode == "copy" else 0.0
        return _wish(_good(dice, roots), start, start + length, lead=lead, mode=mode, **fields)

    return make


def _bad(name: str, *codes: str, end: float = 8.0, start: float = 4.0) -> Callable[[Dice, Roots], Wish]:
    """A clip that can't be had, whatever the mode."""

    def make(dice: Dice, roots: Roots) -> Wish:
        mode = dice.choice(["copy", "smart", "encode"])
        outcomes = frozenset(failed(code) for code in codes)
        return _wish(dice.choice(roots.all) / name, start, end, expected=outcomes, mode=mode)

    return make


def _sparse(dice: Dice, roots: Roots) -> Wish:
    start = dice.uniform(3.0, 30.0)
    mode = dice.choice(["copy", "smart", "encode"])
    lead = float(SPARSE_SECONDS) if mode == "copy" else 0.0
    return _wish(dice.choice(roots.all) / "sparse.mp4", start, start + 2.0, lead=lead, mode=mode)


def _damaged(dice: Dice, roots: Roots) -> Wish:
    """Around the hole. A clip with a warning and an error about the recording are both right."""
    mode = dice.choice(["copy", "smart", "encode"])
    outcomes = SURE | {failed("SOURCE_CORRUPT"), failed("CUT_VERIFICATION_FAILED")}
    start = dice.uniform(22.0, 30.0)
    path = dice.choice(roots.all) / "damaged.mp4"
    return _wish(path, start, start + 6.0, expected=outcomes, lead=2 * GOP_SECONDS, mode=mode)


def _medium(dice: Dice, roots: Roots) -> Wish:
    start = dice.uniform(0.0, 40.0)
    return _wish(_good(dice, roots), start, start + 5.0, output_quality="medium")


def _shaped(dice: Dice, roots: Roots) -> Wish:
    start = dice.uniform(0.0, 40.0)
    output: Mapping[str, Any] = {
        "aspect": dice.choice(["9:16", "1:1", "4:5"]),
        "fit": dice.choice(["center_crop", "letterbox", "blur"]),
        "height": 320,
    }
    return _wish(_good(dice, roots), start, start + 2.0, output=output)


def _urgent(dice: Dice, roots: Roots) -> Wish:
    wish = _cut("smart", 1.0, 4.0, priority=dice.choice(["high", "low"]), metadata={"table": "7"})
    return wish(dice, roots)


def _cancelled(dice: Dice, roots: Roots) -> Wish:
    wish = _cut(dice.choice(["copy", "encode"]), 5.0, 40.0)(dice, roots)
    either = frozenset({COMPLETED, CANCELLED})
    return Wish(wish.clip, Expected(either, wish.expected.seconds, wish.expected.most_lead))


def _invalid(dice: Dice, roots: Roots) -> Wish:
    path, clip = roots.marked / "night.mp4", dice.randrange(4)
    if clip == 0:
        return _wish(path, 9.0, 8.0)
    if clip == 1:
        return _wish(Path("night.mp4"), 1.0, 2.0)
    if clip == 2:
        return _wish(path, 1.0, 2.0, more={"colour": "blue"})
    return _wish(path, 1.0, 5000.0)


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
    Kind("no video", 1, _bad("sound.mp4", "SOURCE_HAS_NO_VIDEO")),
    Kind("link to the outside", 1, _bad("elsewhere.mp4", "SOURCE_NOT_ALLOWED")),
)


def deck(dice: Dice) -> list[Kind]:
    """Every kind as often as its weight says, shuffled: a short run has each of them, too."""
    cards = [kind for kind in KINDS for _ in range(kind.weight)]
    dice.shuffle(cards)
    return cards
