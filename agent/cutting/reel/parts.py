"""Cuts one part of a reel, and keeps what it gives."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from agent.cutting.plan.encoders import Choice, EncoderName
from agent.cutting.plan.spec import Clip, CutSpec, Order, ReelSpec
from agent.cutting.reading.source import SourceFile
from agent.cutting.reel.kept_parts import KeptPart, KeptParts
from agent.cutting.reel.layout import Edges, Shape, check_long_enough, edges_of, keyframes_of, part_cut
from agent.cutting.reel.orders import PartOrder, Prepared
from clipping.contract.choices import Mode, Stage

_PREPARED = 10.0
"""Percent of a part at which its audio is made."""
_NOT_CUT = "not cut as requested: "
"""What warnings begin with that say why a clip was made in another way."""
_ROUNDED = Fraction(2, 1_000_000)
"""Seconds by which times in a report may be off."""

Progress = Callable[[Stage, float], None]


class NotCopied(Exception):
    """The frames of the parts can't be joined as they are. The text says why."""


class Tools(Protocol):
    """What the engine does for a reel. All raise as `Engine.cut`."""

    def cut_part(
        self, spec: CutSpec, folder: Path, source: SourceFile, progress: Progress, choice: Choice | None
    ) -> Clip:
        """Cut one clip; `choice`: with this encoder."""

    def order(self, spec: CutSpec, source: SourceFile, folder: Path, stem: str) -> Order:
        """The input of a job that writes files of this name."""

    def encoder_again(self, encoder: EncoderName, gpu: int | None, spec: CutSpec) -> Choice:
        """The encoder that has made parts, for the frames between them."""

    def job(self, function: str, source: SourceFile, progress: Progress, order: object) -> object:
        """What a function of `agent.cutting.reel` returns for `order`, in a process of its own."""


@dataclass(frozen=True)
class Way:
    """How all parts are made."""

    mode: Mode
    frames: int
    """How many frames of each part a transition changes."""
    shape: Shape | None
    """Of an encoded reel."""
    choice: Choice | None = None
    """The encoder; None: whichever is free."""


class PartMaker:
    """Makes the parts of one reel, in one way."""

    def __init__(self, tools: Tools, spec: ReelSpec, kept: KeptParts, way: Way, folder: Path) -> None:
        """`folder`: for files that are not finished."""
        self._tools, self._spec, self._kept, self._way, self._folder = tools, spec, kept, way, folder

    def edges(self, index: int) -> Edges:
        """What of a part belongs to transitions."""
        return edges_of(index, len(self._spec.parts), self._way.frames)

    def find(self, index: int, source: SourceFile, before: KeptPart | None) -> KeptPart | None:
        """The part, where an earlier attempt has finished it."""
        return self._kept.find(index, self._recipe(index, source, before))

    def make(self, index: int, source: SourceFile, before: KeptPart | None, progress: Progress) -> KeptPart:
        """The part; `before`: the one before it. Raises `NotCopied`, and as `Engine.cut`."""
        self._kept.clear(index)
        mode = self._way.mode
        make = {"copy": self._copied, "smart": self._smart, "encode": self._encoded}[mode]
        prepared, clip = make(index, source, before, progress)
        if clip is not None:
            os.replace(clip.path, self._kept.path(index, "mp4"))
        report = clip.report if clip is not None else None
        return self._kept.add(index, self._recipe(index, source, before), prepared, report)

    def _copied(
        self, index: int, source: SourceFile, before: KeptPart | None, progress: Progress
    ) -> tuple[Prepared, Clip | None]:
        cut = part_cut(self._spec.parts[index], "copy", self._spec)
        clip = self._cut(cut, index, source, progress)
        actual = clip.report.actual
        begin = max(Fraction(0), Fraction(str(actual.start)) - _ROUNDED)
        whole = replace(cut, in_point=begin, out_point=Fraction(str(actual.end)) - _ROUNDED)
        return self._prepared(whole, index, source, before, lambda *_: None), clip

    def _smart(
        self, index: int, source: SourceFile, before: KeptPart | None, progress: Progress
    ) -> tuple[Prepared, Clip | None]:
        cut = part_cut(self._spec.parts[index], "smart", self._spec)
        prepared = self._prepared(cut, index, source, before, progress)
        edges = self.edges(index)
        if prepared.frames == edges.head + edges.tail:
            return prepared, None
        begin, end = prepared.body
        body = replace(
            cut,
            in_point=begin if edges.head else cut.in_point,
            out_point=end if edges.tail else cut.out_point,
        )
        return prepared, self._cut(body, index, source, progress)

    def _encoded(
        self, index: int, source: SourceFile, before: KeptPart | None, progress: Progress
    ) -> tuple[Prepared, Clip | None]:
        shape = self._way.shape
        assert shape is not None
        part = self._spec.parts[index]
        cut = part_cut(part, "encode", self._spec, shape)
        prepared = self._prepared(cut, index, source, before, progress)
        edges = self.edges(index)
        check_long_enough(prepared.frames, edges)
        keyframes = keyframes_of(prepared.frames, edges, shape.exact_rate)
        return prepared, self._cut(replace(cut, keyframes=keyframes), index, source, progress)

    def _cut(self, cut: CutSpec, index: int, source: SourceFile, progress: Progress) -> Clip:
        def later(stage: Stage, percent: float) -> None:
            progress(stage, _PREPARED + (100 - _PREPARED) * percent / 100)

        clip = self._tools.cut_part(cut, self._folder, source, later, self._way.choice)
        if clip.report.mode != self._way.mode:
            clip.path.unlink()
            given = f"{_NOT_CUT}{self._way.mode}: "
            reasons = [text.removeprefix(given) for text in clip.report.warnings if text.startswith(given)]
            raise NotCopied(f"clips[{index}]: {reasons[0] if reasons else 'its frames must be encoded'}")
        return clip

    def _prepared(
        self,
        cut: CutSpec,
        index: int,
        source: SourceFile,
        before: KeptPart | None,
        progress: Progress,
    ) -> Prepared:
        """What the part needs beside its cut. Of copied frames, transitions are made here."""
        copied = self._way.shape is None
        with_audio = replace(cut, output=cut.output.model_copy(update={"audio": self._spec.output.audio}))
        order = PartOrder(
            self._tools.order(with_audio, source, self._kept.folder, self._kept.stem(index)),
            self.edges(index) if copied else Edges(0, 0),
            self._spec.transition,
            before.prepared.tail if before is not None and copied else None,
        )

        def sooner(stage: Stage, percent: float) -> None:
            progress(stage, _PREPARED * percent / 100)

        found = self._tools.job("prepare:prepare_part", source, sooner, order)
        if isinstance(found, str):
            raise NotCopied(f"clips[{index}]: {found}")
        assert isinstance(found, Prepared)
        return found

    def _recipe(self, index: int, source: SourceFile, before: KeptPart | None) -> str:
        """What the part is made of, and how. A transition contains the part before."""
        part, spec, way, file = self._spec.parts[index], self._spec, self._way, source.identity
        recipe = [
            [str(part.in_point), str(part.out_point), part.effects.asked()],
            [file.size, file.mtime_ns],
            [spec.transition, str(spec.transition_seconds), spec.quality, spec.output.asked()],
            [way.mode, way.frames, repr(way.shape), way.choice.encoder if way.choice else None],
            [len(spec.parts), index],
            before.recipe if before is not None and way.shape is None else None,
        ]
        return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
