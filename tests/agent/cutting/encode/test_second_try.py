"""An encode that is killed in its second try at a size limit goes on there, and does not repeat the first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clipping.contract.checkpoint import FILE, Checkpoint, CheckpointFile
from tests.support.media import Recording, make

pytestmark = pytest.mark.slow

LIMIT = 600_000
NOISE = "noise=alls=60:allf=t,format=yuv420p"


@contextmanager
def encoding(source: Path, folder: Path) -> Iterator[Iterator[str]]:
    """What an encode prints. It is killed at the end, with its ffmpeg."""
    command = [sys.executable, "-m", "tests.agent.cutting.encode.second_try"]
    with subprocess.Popen(
        [*command, str(source), str(folder), str(LIMIT)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[4],
    ) as process:
        assert process.stdout is not None
        try:
            yield iter(process.stdout)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_it_resumes_in_the_second_try(tmp_path: Path) -> None:
    source = make(Recording(seconds=24, filters=NOISE))
    with encoding(source, tmp_path) as lines:
        checkpoints = [Checkpoint.model_validate_json(next(lines)) for _ in range(7)]
    segments = checkpoints[0].segments
    assert [one.segment for one in checkpoints] == [*range(1, segments + 1), *range(1, 8 - segments)]
    file = CheckpointFile.model_validate_json((tmp_path / "kept" / FILE).read_bytes())
    assert file.outgrown is not None
    assert file.outgrown > LIMIT
    assert 2 <= file.segment < segments
    with encoding(source, tmp_path) as lines:
        *reported, size = list(lines)
    resumed = [Checkpoint.model_validate_json(line) for line in reported]
    assert [one.segment for one in resumed] == list(range(file.segment, segments + 1))
    assert {one.resumed_count for one in resumed} == {1}
    assert LIMIT / 4 < int(size) <= LIMIT
