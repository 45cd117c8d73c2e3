"""What a player sees of a window, and one set of previews for all tests."""

from __future__ import annotations

import io
from fractions import Fraction

import av

from agent.cutting.preview import Window
from tests.support.media import number_of


def seen(window: Window) -> dict[Fraction, int]:
    """When each frame of a window is shown, in the recording's time, and its number."""
    return {time: number_of(frame) for time, frame in frames(window)}


def frames(window: Window) -> list[tuple[Fraction, av.VideoFrame]]:
    """The frames of a window with their times in the recording."""
    found = []
    with av.open(io.BytesIO(window.data)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            found.append((frame.pts * frame.time_base + window.offset, frame))
    return found
