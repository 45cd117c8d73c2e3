"""The pipeline benchmark: its own stack, and its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import pipeline
from bench.pipeline import Cuts, Sample, latency_table, starts_in, throughput_table
from clipping.config import Limits
from tests.support.media import Recording, make


@pytest.fixture(scope="module")
def recording() -> Path:
    return make(Recording(seconds=12))


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipeline, "CACHE", tmp_path)


@pytest.mark.slow
def test_both_methods_are_measured_beyond_the_default_limit_of_calls(recording: Path, tmp_path: Path) -> None:
    cuts = Cuts(recording, tmp_path, 2.0, starts_in(12, 2.0, 2))
    with pipeline.running(recording, slots=2) as stack:
        request_id = cuts.ask(stack, 1.0)
        assert pipeline.wait(stack, request_id, 0.02)["status"] == "completed"
        for _ in range(Limits().requests_per_minute + 1):
            stack.status(request_id)
        control, service, processing = pipeline.one_at_a_time(stack, cuts)
        together = pipeline.all_at_once(stack, cuts, 2)
    assert len(control.wall) == len(service.wall) == len(processing) == 2
    assert set(service.cpu) == {"clipping up", "api", "broker", "agent-1", "agent-1's children"}
    assert service.cpu["api"] > 0
    assert all(len(sample.wall) == 1 for sample in together)
    assert not list(tmp_path.glob("control-*"))


@pytest.mark.slow
def test_a_failed_clip_ends_the_benchmark(tmp_path: Path) -> None:
    broken = tmp_path / "nas" / "broken.mp4"
    broken.parent.mkdir()
    broken.write_bytes(b"no recording")
    with pipeline.running(broken, slots=1) as stack:
        request_id = Cuts(broken, tmp_path, 2.0, []).ask(stack, 1.0)
        with pytest.raises(SystemExit, match="a clip is failed"):
            pipeline.wait(stack, request_id, 0.02)


def test_the_tables_show_ratios_to_the_control() -> None:
    control, service = Sample([0.2, 0.2], {"ffmpeg": 0.2}), Sample([0.5, 0.5], {"api": 0.1, "agent-1": 0.5})
    rows = latency_table(control, service, [0.3, 0.3]).splitlines()
    assert rows[4].split()[-1] == "2.50x"
    assert rows[5].split()[-1] == "100"
    assert rows[7].split()[-1] == "3.00x"
    once = throughput_table([1], [Sample([1.0], {"ffmpeg": 0.2})], [Sample([4.0], {"api": 0.2})], 2)
    assert [line.split()[-1] for line in once.splitlines()[:4]] == ["1", "2.00", "0.50", "0.25x"]


def test_the_cuts_are_within_the_recording_and_repeatable() -> None:
    starts = starts_in(600, 120, 50)
    assert starts == starts_in(600, 120, 50)
    assert all(1 <= start <= 479 for start in starts)


def test_the_control_removes_its_clip(recording: Path, tmp_path: Path) -> None:
    pipeline.stream_copy(recording, 1.0, 3.0, tmp_path / "clip.mp4")
    assert not (tmp_path / "clip.mp4").exists()
