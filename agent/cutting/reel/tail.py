"""The last frames of a part, decoded and kept as raw video until the transition to the next part is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.cutting.reel.blend import Pixels
from clipping.errors import NoSpace


@dataclass(frozen=True)
class Tail:
    """Of one part."""

    path: Path
    format: str
    """Of the pixels."""
    width: int
    height: int
    shown: tuple[int, ...]
    """When each frame is shown, in ticks from the first of them."""
    length: int
    """Until the last one ends, in ticks."""

    def frames(self) -> Iterator[Pixels]:
        """One after the other."""
        with self.path.open("rb") as file:
            for _ in self.shown:
                yield Pixels.read(file, self.format, self.width, self.height)


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
