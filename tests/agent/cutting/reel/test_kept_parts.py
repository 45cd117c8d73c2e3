"""A reel that is interrupted resumes at the unfinished part; one that fails says which part, and leaves
nothing behind."""

from __future__ import annotations

import os
import shutil
import threading
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Engine, Interruption, Reason, ReelSpec
from agent.cutting.reading.source import SourceFile, open_path
from clipping.contract.choices import Mode
from clipping.errors import (
    Cancelled,
    ClippingError,
    GivenBack,
    RangeBeyondEnd,
    SourceCorrupt,
    SourceHasNoVideo,
    SourceNotFound,
    SourceUnavailable,
)
from tests.agent.cutting.reel.reels import Piece, Reported, check, make_reel, spec_of
from tests.support.media import Recording, make

PLAIN = Recording(seconds=12, gop=25)


def three() -> list[Piece]:
    source = make(PLAIN)
    return [Piece(source, "0.6", "3.8"), Piece(source, "4.2", "6.4"), Piece(source, "7.48", "11.04")]


class Outage:
    """Opens recordings; for one part, the NAS is gone at one of the times."""

    def __init__(self, spec: ReelSpec, index: int, opening: int = 2) -> None:
        """`opening`: 1 to be probed, 2 to be made, 3 to be made in another way."""
        self._spec, self._index, self._opening = spec, index, opening
        self._opened = 0

    def __call__(self, index: int) -> SourceFile:
        self._opened += index == self._index
        if index == self._index and self._opened == self._opening:
            raise SourceUnavailable("the NAS is gone")
        return open_path(self._spec.parts[index].source)


@pytest.mark.parametrize("mode", ["smart", "encode"])
def test_a_reel_resumes_at_the_unfinished_part(engine: Engine, tmp_path: Path, mode: Mode) -> None:
    pieces, keep = three(), tmp_path / "keep"
    spec = spec_of(pieces, mode, "dissolve")
    with pytest.raises(SourceUnavailable, match=r"^clips\[2\]: the NAS is gone$") as caught:
        make_reel(engine, spec, tmp_path / "spool", keep=keep, opened=Outage(spec, 2))
    assert caught.value.part == 2
    assert list((tmp_path / "spool").iterdir()) == []
    before = {path.name: path.stat().st_mtime_ns for path in keep.glob(f"{mode}-00[01].[!t]*")}
    assert f"{mode}-001.json" in before
    log = Reported()
    clip = make_reel(engine, spec, tmp_path / "spool", keep=keep, log=log)
    check(clip, spec, pieces)
    assert {path.name: path.stat().st_mtime_ns for path in keep.glob(f"{mode}-00[01].[!t]*")} == before
    assert [(c.segment, c.segments, c.resumed_count) for c in log.checkpoints] == [
        (1, 3, 1),
        (2, 3, 1),
        (3, 3, 1),
    ]
    assert log.checkpoints[-1].frame == log.checkpoints[-1].total


@pytest.mark.parametrize("damage", ["truncated", "missing", "other recording", "other request"])
def test_parts_that_do_not_fit_any_more_are_made_again(engine: Engine, tmp_path: Path, damage: str) -> None:
    source = tmp_path / "recording.mp4"
    shutil.copy(make(PLAIN), source)
    pieces = [Piece(source, "1", "3"), Piece(source, "4", "6")]
    keep = tmp_path / "keep"
    make_reel(engine, spec_of(pieces), tmp_path / "spool", keep=keep)
    if damage == "truncated":
        os.truncate(keep / "smart-000.mp4", 1000)
    elif damage == "missing":
        (keep / "smart-000.pcm").unlink()
    elif damage == "other recording":
        os.utime(source)
    else:
        pieces[0] = Piece(source, "1.4", "3")
    first = (keep / "smart-000.json").stat().st_mtime_ns
    spec = spec_of(pieces)
    check(make_reel(engine, spec, tmp_path / "spool", keep=keep), spec, pieces)
    assert (keep / "smart-000.json").stat().st_mtime_ns > first


def test_the_frames_of_a_transition_are_kept_until_it_is_made(engine: Engine, tmp_path: Path) -> None:
    spec, keep = spec_of(three(), "smart", "dissolve"), tmp_path / "keep"
    with pytest.raises(SourceUnavailable):
        make_reel(engine, spec, tmp_path / "spool", keep=keep, opened=Outage(spec, 2))
    assert [path.name for path in keep.glob("*.tail")] == ["smart-001.tail"]
    make_reel(engine, spec, tmp_path / "spool", keep=keep)
    assert list(keep.glob("*.tail")) == []


def test_parts_that_were_encoded_after_all_are_kept_too(engine: Engine, tmp_path: Path) -> None:
    other = make(Recording(seconds=12, gop=25, reordered=0))
    pieces = [Piece(make(PLAIN), "1.2", "3"), Piece(other, "4.2", "6"), Piece(make(PLAIN), "7.2", "9")]
    spec, keep = spec_of(pieces, "smart", "dissolve"), tmp_path / "keep"
    with pytest.raises(SourceUnavailable):
        # Copied parts fit together one by one: that they contradict each other is found when they are joined.
        make_reel(engine, spec, tmp_path / "spool", keep=keep, opened=Outage(spec, 2, 3))
    assert sorted(path.name for path in keep.glob("*-*.json")) == ["encode-000.json", "encode-001.json"]
    kept = (keep / "encode-001.json").stat().st_mtime_ns
    log = Reported()
    clip = make_reel(engine, spec, tmp_path / "spool", keep=keep, log=log)
    check(clip, spec, pieces)
    assert (keep / "encode-001.json").stat().st_mtime_ns == kept
    assert log.checkpoints[-1].resumed_count == 1
    assert "smart: their headers contradict each other" in clip.report.warnings[0]


def test_all_is_made_again_where_the_frames_of_a_transition_are_gone(engine: Engine, tmp_path: Path) -> None:
    pieces, keep = three(), tmp_path / "keep"
    spec = spec_of(pieces, "smart", "dissolve")
    make_reel(engine, spec, tmp_path / "spool", keep=keep)
    first = (keep / "smart-000.json").stat().st_mtime_ns
    (keep / "smart-002.mp4").unlink()
    check(make_reel(engine, spec, tmp_path / "spool", keep=keep), spec, pieces)
    assert (keep / "smart-000.json").stat().st_mtime_ns > first


@pytest.mark.parametrize(
    ("index", "kind", "error"),
    [
        (1, "missing", SourceNotFound),
        (2, "corrupt", SourceCorrupt),
        (0, "no video", SourceHasNoVideo),
        (1, "beyond the end", RangeBeyondEnd),
    ],
)
def test_a_part_that_fails_is_named_and_nothing_is_left(
    engine: Engine, tmp_path: Path, index: int, kind: str, error: type[ClippingError]
) -> None:
    corrupt = tmp_path / "corrupt.mp4"
    corrupt.write_bytes(b"no video" * 1000)
    bad = {
        "missing": Piece(tmp_path / "missing.mp4", "1", "2"),
        "corrupt": Piece(corrupt, "1", "2"),
        "no video": Piece(make(Recording("mkv", video=())), "1", "2"),
        "beyond the end": Piece(make(PLAIN), "20", "22"),
    }
    pieces = three()
    pieces[index] = bad[kind]
    for mode in ("smart", "encode"):
        with pytest.raises(error, match=rf"^clips\[{index}\]: ") as caught:
            make_reel(engine, spec_of(pieces, mode), tmp_path / "spool")  # type: ignore[arg-type]
        assert caught.value.part == index
        assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("mode", ["smart", "encode"])
def test_a_recording_that_ends_within_a_transition_is_named(
    engine: Engine, tmp_path: Path, mode: Mode
) -> None:
    source = make(PLAIN)
    pieces = [Piece(source, "1", "3"), Piece(source, "11.8", "13")]
    with pytest.raises(RangeBeyondEnd, match=r"^clips\[1\]: ") as caught:
        make_reel(engine, spec_of(pieces, mode, "dissolve", "1"), tmp_path / "spool")
    assert caught.value.part == 1


@pytest.mark.parametrize(("reason", "error"), [(Reason.CANCELLED, Cancelled), (Reason.GIVEN_BACK, GivenBack)])
def test_an_interrupted_reel_stops_within_its_part(
    engine: Engine, tmp_path: Path, reason: Reason, error: type[ClippingError]
) -> None:
    spec = spec_of(three(), "encode", "dissolve")
    interruption = Interruption()
    log = Reported()
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            make_reel(engine, spec, tmp_path / "spool", interruption=interruption, log=log)
        except ClippingError as stopped:
            outcome.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    while not log.checkpoints and thread.is_alive():
        thread.join(0.01)
    interruption.set(reason)
    thread.join(30)
    assert [type(one) for one in outcome] == [error]
    assert outcome[0].part is None  # type: ignore[attr-defined]
    assert len(log.checkpoints) < len(spec.parts)
    assert list((tmp_path / "spool").iterdir()) == []


def test_the_total_of_a_checkpoint_is_an_estimate_that_becomes_exact(engine: Engine, tmp_path: Path) -> None:
    log = Reported()
    pieces = three()
    make_reel(engine, spec_of(pieces), tmp_path / "spool", keep=tmp_path / "keep", log=log)
    whole = sum(round(piece.length * Fraction(25)) for piece in pieces)
    assert [checkpoint.total for checkpoint in log.checkpoints] == [whole] * 3
    assert [checkpoint.frame for checkpoint in log.checkpoints] == [80, 135, 224]
