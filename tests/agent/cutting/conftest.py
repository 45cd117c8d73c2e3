"""One engine for all tests of a session, as in a daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from agent.cutting import Clip, CutSpec, Engine, EngineSettings
from clipping.contract.choices import Mode, Quality

Cut = Callable[..., Clip]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A started engine."""
    engine = Engine(EngineSettings())
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def cut(engine: Engine, tmp_path: Path) -> Cut:
    """`cut(source, in_point, out_point, mode)`: a clip in the test's own folder."""

    def run(
        source: Path, in_point: str, out_point: str, mode: Mode = "copy", quality: Quality = "medium"
    ) -> Clip:
        spec = CutSpec(source, Fraction(in_point), Fraction(out_point), mode, quality)
        folder = tmp_path / "spool"
        folder.mkdir(exist_ok=True)
        return engine.cut(spec, folder, progress=lambda *_: None)

    return run
