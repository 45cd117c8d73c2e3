"""The progress of a reel, from that of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from clipping.contract.choices import PartStage, Stage
from clipping.contract.messages import PartProgress

Report = Callable[[Stage, float, tuple[PartProgress, ...]], None]

_PARTS = {"encode": 92.0, "smart": 70.0, "copy": 70.0}
"""Percent of the whole at which all parts are cut."""


class ReelProgress:
    """Never backward, also when the parts are made in another way after all."""

    def __init__(self, lengths: Sequence[Fraction], report: Report) -> None:
        """`lengths`: of the parts, in seconds."""
        self._weights = [float(length / sum(lengths, Fraction(0))) for length in lengths]
        self._report = report
        self._parts: list[tuple[PartStage, float]] = [("waiting", 0.0)] * len(lengths)
        self._share = _PARTS["encode"]
        self._stage: Stage = "probing"
        self._percent = 0.0

    def begin(self, mode: str) -> None:
        """The parts are made, from the first one on."""
        self._share = _PARTS[mode]
        self._parts = [("waiting", 0.0)] * len(self._parts)
        self._send("probing", 0.0)

    def part(self, index: int, stage: Stage, percent: float) -> None:
        """How far one part is."""
        shown: PartStage = stage if stage in ("probing", "cutting", "verifying") else "cutting"
        self._parts[index] = (shown, percent)
        self._send("probing" if self._stage == "probing" and stage == "probing" else "cutting", self._cut())

    def completed(self, index: int) -> None:
        """A part is finished."""
        self._parts[index] = ("completed", 100.0)
        self._send("cutting", self._cut())

    def joining(self, stage: Stage, percent: float) -> None:
        """How far the joined reel is."""
        self._send(stage, self._share + (100 - self._share) * percent / 100)

    def _cut(self) -> float:
        pairs = zip(self._weights, self._parts, strict=True)
        return self._share * sum(weight * percent / 100 for weight, (_, percent) in pairs)

    def _send(self, stage: Stage, percent: float) -> None:
        self._stage, self._percent = stage, max(self._percent, percent)
        parts = tuple(
            PartProgress(index=index, stage=stage, progress_percent=round(percent, 1))
            for index, (stage, percent) in enumerate(self._parts)
        )
        self._report(stage, self._percent, parts)
