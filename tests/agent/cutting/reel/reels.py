"""Makes reels of numbered recordings, and compares them with what they should hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from agent.cutting import Clip, Engine, Interruption, Keep, PartSpec, ReelSpec
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.choices import Mode, Stage, TransitionType
from clipping.contract.effects import NO_EFFECTS, Effects
from clipping.contract.messages import PartProgress
from tests.support.media import number_of, tick_times

SYNC_SECONDS = 0.020
"""How far audio and video may be apart at any place."""


@dataclass(frozen=True)
class Piece:
    """A part of a test's reel."""

    source: Path
    begin: str
    end: str
    rate: Fraction = Fraction(25)
    """Of the recording."""
    effects: Effects = NO_EFFECTS

    @property
    def length(self) -> Fraction:
        return Fraction(self.end) - Fraction(self.begin)


@dataclass
class Reported:
    """What was reported of a reel."""

    progress: list[tuple[Stage, float, tuple[PartProgress, ...]]] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)


def spec_of(
    pieces: Sequence[Piece],
    mode: Mode = "smart",
    transition: TransitionType = "cut",
    seconds: str = "0.4",
    **further: Any,
) -> ReelSpec:
    """The reel of these pieces."""
    parts = tuple(
        PartSpec(each.source, Fraction(each.begin), Fraction(each.end), f"Part {number}", each.effects)
        for number, each in enumerate(pieces, start=1)
    )
    return ReelSpec(parts, transition, Fraction(seconds), mode, "medium", **further)


def make_reel(
    engine: Engine,
    spec: ReelSpec,
    folder: Path,
    *,
    keep: Path | None = None,
    interruption: Interruption | None = None,
    opened: Callable[[int], SourceFile] | None = None,
    log: Reported | None = None,
) -> Clip:
    """The reel, in `folder`; `keep`: where its parts are kept; `log` gets what is reported."""
    log = log if log is not None else Reported()
    folder.mkdir(exist_ok=True)
    kept = None if keep is None else Keep(keep, "reel-1", "hash", "agent-1", 20, 10)
    return engine.reel(
        spec,
        folder,
        open_part=opened or (lambda index: open_path(spec.parts[index].source)),
        progress=lambda *report: log.progress.append(report),
        interruption=interruption,
        keep=kept,
        checkpoint=log.checkpoints.append,
    )


@dataclass(frozen=True)
class Placed:
    """Where a piece is in a reel, in seconds, and what of it belongs to transitions."""

    piece: Piece
    start: Fraction
    end: Fraction
    rise: Fraction
    fall: Fraction


def placed(spec: ReelSpec, pieces: Sequence[Piece], rate: Fraction = Fraction(25)) -> list[Placed]:
    """As the request says it, for a reel of `rate` frames a second."""
    frames = round(spec.transition_seconds * rate)
    overlap = frames / rate if spec.transition == "dissolve" else Fraction(0)
    taken = {"cut": Fraction(0), "dissolve": overlap, "fade": frames // 2 / rate}[spec.transition]
    found: list[Placed] = []
    for index, piece in enumerate(pieces):
        start = found[-1].end - overlap if found else Fraction(0)
        length = round(piece.length * rate) / rate
        rise, fall = (taken if index else Fraction(0)), (taken if index < len(pieces) - 1 else Fraction(0))
        found.append(Placed(piece, start, start + length, rise, fall))
    return found


def check(clip: Clip, spec: ReelSpec, pieces: Sequence[Piece], rate: Fraction = Fraction(25)) -> None:
    """The reel has exactly the frames of its pieces, their audio beside them, and their chapters."""
    places = placed(spec, pieces, rate)
    total = places[-1].end
    shown: list[tuple[Fraction, int]] = []
    with av.open(str(clip.path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            shown.append((frame.pts * frame.time_base, number_of(frame)))
        chapters = [
            (one["metadata"]["title"], one["start"] * one["time_base"]) for one in container.chapters()
        ]
        length = container.duration / av.time_base
    assert len(shown) == total * rate == clip.report.frames
    assert abs(clip.duration - float(total)) < 0.001
    assert abs(length - float(total)) < 0.03
    for index, (at, number) in enumerate(shown):
        assert abs(float(at - index / rate)) < 0.002
        for place in places:
            if place.start + place.rise <= index / rate < place.end - place.fall:
                inside = Fraction(place.piece.begin) + index / rate - place.start
                exact = inside * place.piece.rate
                slack = 0 if place.piece.rate == rate else 1
                assert abs(number - float(exact)) <= slack + 0.01, (index, place)
    if spec.chapters:
        assert [title for title, _ in chapters] == [part.title for part in spec.parts]
        assert all(
            abs(float(at - place.start)) < 0.002 for (_, at), place in zip(chapters, places, strict=True)
        )


def check_sync(clip: Clip, places: Sequence[Placed], silent: frozenset[int] = frozenset()) -> None:
    """Every tick of the recordings is where its frame is, apart from those in transitions; nothing else is
    audible but in these."""
    expected = []
    mixed = []
    for index, place in enumerate(places):
        mixed += [(place.start, place.start + place.rise), (place.end - place.fall, place.end)]
        if index in silent:
            continue
        begin, end = Fraction(place.piece.begin), Fraction(place.piece.end)
        for second in range(int(begin) + (begin != int(begin)), int(end) + 1):
            at = place.start + second - begin
            if place.start + place.rise <= at < place.end - place.fall - Fraction(1, 50):
                expected.append(float(at))
    found = [
        at for at in tick_times(clip.path) if not any(float(a) - 0.02 <= at <= float(b) for a, b in mixed)
    ]
    assert len(found) == len(expected), (found, expected)
    assert all(abs(a - b) < SYNC_SECONDS for a, b in zip(found, expected, strict=True)), (found, expected)
