"""The recording time of a clip: that of the recording plus the in-point."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import av
import pytest

from agent.cutting import find_ffmpeg
from clipping.contract.choices import Mode
from tests.agent.cutting.conftest import Cut
from tests.support.media import Recording, make

BEGUN = datetime(2026, 1, 2, 3, 4, 50, tzinfo=UTC)


@cache
def dated(extension: str) -> Path:
    source = make(Recording(extension))
    path = source.with_name(f"dated.{extension}")
    command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-i", str(source), "-c", "copy"]
    named = f"creation_time={BEGUN:%Y-%m-%dT%H:%M:%S.000000Z}"
    subprocess.run([*command, "-metadata", named, str(path)], check=True, timeout=60)
    return path


def creation_time(path: Path) -> datetime | None:
    with av.open(str(path)) as container:
        text = container.metadata.get("creation_time")
    return None if text is None else datetime.fromisoformat(text)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_the_time_is_that_of_the_first_frame(cut: Cut, extension: str, mode: Mode) -> None:
    clip = cut(dated(extension), "7.3", "9", mode)
    created = creation_time(clip.path)
    assert created is not None
    assert abs(created - (BEGUN + timedelta(seconds=clip.report.actual.start))) <= timedelta(seconds=1)


@pytest.mark.parametrize("mode", ["copy", "smart", "encode"])
def test_nothing_is_made_up(cut: Cut, mode: Mode) -> None:
    assert creation_time(cut(make(), "7.3", "9", mode).path) is None
