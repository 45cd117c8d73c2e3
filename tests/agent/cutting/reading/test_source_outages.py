"""A recording that becomes unreadable is unavailable, whatever error libav and ffmpeg report."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import CutSpec, Engine, EngineSettings
from clipping.contract.choices import Mode, Stage
from clipping.errors import SourceUnavailable
from tests.support.fuse import FaultyMount
from tests.support.media import Recording, make

SHAPES = {
    "night.mp4": Recording(seconds=60),
    "night.ts": Recording("ts", seconds=60),
    "night.mkv": Recording("mkv", seconds=60),
    "night.avi": Recording("avi", seconds=60, video=("-c:v", "mpeg4", "-g", "50"), audio=("mp3",)),
}
MODES: tuple[Mode, ...] = ("copy", "smart", "encode")
ERRORS = (errno.EIO, errno.ESTALE, errno.ENOTCONN)
WHEN = ("probing", "cutting", "later")
"""Once a stage has begun, or when most of the bytes were read that a cut takes."""


@pytest.fixture
def nas(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[FaultyMount]:
    """With the recording that the test names, or all."""
    (tmp_path / "nas").mkdir()
    wanted = getattr(request.node, "callspec", None)
    names = SHAPES if wanted is None else [wanted.params["name"]]
    mount = FaultyMount(tmp_path / "nas", {name: make(SHAPES[name]).read_bytes() for name in names})
    try:
        mount.__enter__()
    except OSError as error:
        pytest.skip(f"no file system can be mounted here (it takes root and FUSE): {error}")
    yield mount
    mount.__exit__()


@pytest.fixture
def fresh() -> Iterator[Engine]:
    """An engine that knows no recording yet."""
    engine = Engine(EngineSettings())
    engine.start()
    yield engine
    engine.close()


@pytest.mark.slow
def test_the_mount_works(nas: FaultyMount, fresh: Engine, tmp_path: Path) -> None:
    for name in SHAPES:
        for mode in MODES:
            spec = CutSpec(tmp_path / "nas" / name, Fraction(20), Fraction(23), mode, "medium")
            fresh.cut(spec, tmp_path, progress=lambda *_: None)


def cases() -> Iterator[object]:
    """Each error, moment and container: the daily ones in every mode, the others in each mode in turn."""
    for turn, (number, when, name) in enumerate(itertools.product(ERRORS, WHEN, SHAPES)):
        in_turn = turn + turn // len(SHAPES) + turn // (len(SHAPES) * len(WHEN))
        modes = MODES if is_daily(number, when, name) else (MODES[in_turn % len(MODES)],)
        yield from (case(number, when, name, mode) for mode in modes)


def is_daily(number: int, when: str, name: str) -> bool:
    """Whether it is quick enough for every day."""
    return number == errno.EIO and when == "later" and name in ("night.mp4", "night.ts")


def case(number: int, when: str, name: str, mode: Mode) -> object:
    marks = () if is_daily(number, when, name) else (pytest.mark.slow,)
    return pytest.param(
        number, when, name, mode, id=f"{errno.errorcode[number]}-{when}-{name}-{mode}", marks=marks
    )


@pytest.mark.sampled(7, slow=5)
@pytest.mark.parametrize(("number", "when", "name", "mode"), list(cases()))
def test_reads_that_fail(
    nas: FaultyMount, fresh: Engine, tmp_path: Path, number: int, when: str, name: str, mode: Mode
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    if when == "later":
        clip = CutSpec(tmp_path / "nas" / name, Fraction(20), Fraction(55), mode, "medium")
        fresh.cut(clip, tmp_path, progress=lambda *_: None)
        whole, nas.bytes_read = nas.bytes_read, 0

    def break_late() -> None:
        if when == "later" and nas.bytes_read > whole * 0.7:
            nas.fail = number

    nas.after_read = break_late

    def break_at(stage: Stage, percent: float) -> None:
        if stage == when:
            nas.fail = number

    spec = CutSpec(tmp_path / "nas" / name, Fraction(20), Fraction(55), mode, "medium")
    with pytest.raises(SourceUnavailable):
        fresh.cut(spec, spool, progress=break_at)
    assert list(spool.iterdir()) == []
