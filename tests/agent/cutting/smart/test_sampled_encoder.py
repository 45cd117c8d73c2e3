"""Which frames of an edge are encoded for a plan, and which stand for others."""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.cutting.smart.sampled_encoder import is_encoded, stands_for


@pytest.mark.parametrize("count", [1, 2, 249, 250, 251, 281, 282, 283, 313, 314, 315, 500, 1800])
def test_every_frame_is_stood_for_by_one_that_is_encoded(count: int) -> None:
    used = [stands_for(position, count) for position in range(count)]
    assert all(is_encoded(position) and 0 <= position < count for position in used)
    assert used[:250] == list(range(min(count, 250)))
    assert 0 not in used[1:], "no keyframe stands for another frame"


def test_few_frames_of_a_long_edge_are_encoded_all_over_it() -> None:
    encoded = [position for position in range(1000) if is_encoded(position)]
    assert len(encoded) < 500
    assert max(b - a for a, b in pairwise(encoded)) <= 32
    far = [abs(stands_for(position, 1000) - position) for position in range(1000)]
    assert max(far) < 40, "frames stand for others nearby"
