"""Clips whose length exceeds the 32 bits of an index."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import av
import pytest

from tests.agent.cutting.conftest import Cut
from tests.support.media import Recording, make

FINE_CLOCK = Recording(
    seconds=460,
    rate=Fraction(2),
    audio=(),
    video=("-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-video_track_timescale", "10000000"),
)
"""At 10 million ticks a second 32 bits hold 429 seconds."""


@pytest.mark.parametrize("mode", ["copy", "smart"])
def test_a_long_clip_with_a_fine_clock_is_cut_as_asked(cut: Cut, mode: str) -> None:
    clip = cut(make(FINE_CLOCK), "10", "450", mode)
    assert (clip.report.mode, clip.report.warnings) == (mode, [])
    with av.open(str(clip.path)) as container:
        video = container.streams.video[0]
        shown = sorted(p.pts * video.time_base for p in container.demux(video) if p.size)
    assert len(shown) == 880
    assert {b - a for a, b in pairwise(shown)} == {Fraction(1, 2)}
