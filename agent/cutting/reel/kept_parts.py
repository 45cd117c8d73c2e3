"""The finished parts of a reel on disk: what a later attempt at the same reel resumes from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from agent.cutting.reel.orders import Prepared
from agent.cutting.writing.disk import flush, keeping_in, size_of
from clipping.contract.choices import Mode
from clipping.contract.report import Report

_TAIL = "tail"
FILES = ("mp4", "pcm", _TAIL, "join")
"""What a part may have, by their extensions."""


@dataclass(frozen=True)
class KeptPart:
    """One finished part."""

    recipe: str
    """What it was made of, and how."""
    prepared: Prepared
    report: Report | None
    """Of its cut; None where all of its frames belong to transitions."""
    sizes: tuple[tuple[str, int], ...]
    """Of its files, in bytes, by their extensions."""


class _Resumed(BaseModel):
    count: int


_PART = TypeAdapter(KeptPart)


class KeptParts:
    """A folder of parts. A part counts once its `.json` is there, which is written behind its files.

    Raises `NoSpace` when the folder can't be used.
    """

    def __init__(self, folder: Path, mode: Mode) -> None:
        """`mode`: how the parts are made. Those of each are kept by themselves: what was encoded because it
        could not be copied is still there when the next attempt finds out the same."""
        self.folder, self._mode = folder, mode
        with keeping_in(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def stem(self, index: int) -> str:
        """The name of a part's files, without extension."""
        return f"{self._mode}-{index:03}"

    def path(self, index: int, kind: str) -> Path:
        """The file of a part."""
        return self.folder / f"{self.stem(index)}.{kind}"

    def refuse(self, reason: str) -> None:
        """The reel can't be made in this mode: remove its parts, and say so to later attempts."""
        with keeping_in(self.folder):
            for file in self.folder.glob(f"{self._mode}-*"):
                file.unlink()
            self._write(self._refused, reason.encode())

    @property
    def refused(self) -> str | None:
        """Why an earlier attempt could not make the reel in this mode."""
        try:
            return self._refused.read_text()
        except FileNotFoundError:
            return None

    @property
    def _refused(self) -> Path:
        return self.folder / f"{self._mode}.refused"

    def find(self, index: int, recipe: str) -> KeptPart | None:
        """The finished part of this recipe."""
        try:
            kept = _PART.validate_json(self.path(index, "json").read_bytes())
        except (OSError, ValidationError):
            return None
        complete = all(self._is_whole(index, kept, kind) for kind, _ in kept.sizes if kind != _TAIL)
        return kept if kept.recipe == recipe and complete else None

    def has_tail(self, index: int, kept: KeptPart) -> bool:
        """Whether the transition after a part can be made: the part needs no frames for it, or has them."""
        return kept.prepared.tail is None or self._is_whole(index, kept, _TAIL)

    def drop_tail(self, index: int) -> None:
        """The transition after a part is made: its raw frames would fill the disk."""
        self.path(index, _TAIL).unlink(missing_ok=True)

    def _is_whole(self, index: int, kept: KeptPart, kind: str) -> bool:
        return size_of(self.path(index, kind)) == dict(kept.sizes).get(kind)

    def clear(self, index: int) -> None:
        """Remove what is there of a part."""
        for kind in ("json", *FILES):
            self.path(index, kind).unlink(missing_ok=True)

    def add(self, index: int, recipe: str, prepared: Prepared, report: Report | None) -> KeptPart:
        """The part's files are complete."""
        with keeping_in(self.folder):
            found = [kind for kind in FILES if self.path(index, kind).exists()]
            for kind in found:
                flush(self.path(index, kind))
            sizes = tuple((kind, self.path(index, kind).stat().st_size) for kind in found)
            kept = KeptPart(recipe, prepared, report, sizes)
            self._write(self.path(index, "json"), _PART.dump_json(kept))
        return kept

    def resumed(self) -> int:
        """How often the reel was resumed; this is another time."""
        file = self.folder / "resumed.json"
        try:
            count = _Resumed.model_validate_json(file.read_bytes()).count
        except (OSError, ValidationError):
            count = 0
        with keeping_in(self.folder):
            self._write(file, _Resumed(count=count + 1).model_dump_json().encode())
        return count + 1

    def _write(self, file: Path, data: bytes) -> None:
        part = file.with_suffix(".writing")
        part.write_bytes(data)
        flush(part)
        os.replace(part, file)
