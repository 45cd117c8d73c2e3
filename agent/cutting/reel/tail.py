"""Writes and reads the frames that a transition needs of the part before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from agent.cutting.reel.blend import Pixels
from agent.cutting.reel.orders import Tail
from clipping.errors import NoSpace


def frames_of_tail(tail: Tail) -> Iterator[Pixels]:
    """One after the other."""
    with tail.path.open("rb") as file:
        for _ in tail.shown:
            yield Pixels.read(file, tail.format, tail.width, tail.height)


def write_tail(frames: Iterable[Pixels], shown: tuple[int, ...], length: int, path: Path) -> Tail:
    """Keep `frames`. Raises `NoSpace`."""
    found: Pixels | None = None
    try:
        with path.open("wb") as file:
            for found in frames:
                file.write(found.to_bytes())
    except OSError as error:
        raise NoSpace(f"{path.parent} can't hold the frames of a transition: {error.strerror}") from error
    assert found is not None, "a tail has frames"
    return Tail(path, found.format, found.width, found.height, shown, length)
