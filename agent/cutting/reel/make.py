"""Makes a reel: part after part, each cut in a process of its own, and then joined.

Frames are copied where the request and the recordings allow it; else every part is encoded to one shape. What
is finished is kept, so that another attempt resumes at the unfinished part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from agent.cutting.formats.containers import MP4, NAMED
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.encoders import CANDIDATES, CODECS, CPU, Choice, EncoderName, on_gpu
from agent.cutting.plan.spec import Clip, Extent, ReelSpec
from agent.cutting.process.interruption import Interruption
from agent.cutting.reading.source import SourceFile, open_path
from agent.cutting.reel.kept_parts import KeptPart, KeptParts
from agent.cutting.reel.layout import (
    Span,
    chapters_of,
    part_cut,
    requested_length,
    shape_of,
    spans_of,
    transition_frames,
    video_of,
    why_not_copied,
)
from agent.cutting.reel.orders import Assembled, AssembleOrder, Made, Reel
from agent.cutting.reel.parts import NotCopied, PartMaker, Tools, Way
from agent.cutting.reel.progress import ReelProgress
from agent.cutting.reel.report import ReportedPart, reel_report
from clipping.contract.checkpoint import Checkpoint
from clipping.errors import (
    Cancelled,
    ClippingError,
    CutVerificationFailed,
    EncoderFailed,
    GivenBack,
    SourceHasNoVideo,
)

OpenPart = Callable[[int], SourceFile]


class ReelTools(Tools, Protocol):
    """What the engine does for a whole reel."""

    @property
    def program(self) -> Path:
        """The ffmpeg to run."""

    @property
    def verify(self) -> Extent:
        """How much of the reel is decoded."""

    def probe_source(self, source: SourceFile) -> MediaInfo:
        """What a recording holds."""


@dataclass(frozen=True)
class ReelJob:
    """One attempt at a reel."""

    tools: ReelTools
    spec: ReelSpec
    folder: Path
    """Where the reel's file goes."""
    stem: str
    """Its name, without extension."""
    open_part: OpenPart
    progress: ReelProgress
    interruption: Interruption
    kept: Path
    """The folder of finished parts."""
    checkpoint: Callable[[Checkpoint], None]

    def run(self) -> Clip:
        """The reel. Raises as `Engine.reel`."""
        infos = self._probed()
        _, first = video_of(infos[0])
        failures: list[str] = []
        if self.spec.mode != "encode":
            rate = first.rate or Fraction(25)
            way = Way(self.spec.mode, transition_frames(self.spec, rate), None)
            kept = self._kept(way)
            reason = why_not_copied(self.spec, infos) or kept.refused
            try:
                if reason is None:
                    return self._made(way, infos, failures)
            except NotCopied as why:
                reason = str(why)
                kept.refuse(reason)
            failures.append(f"not cut as requested: {self.spec.mode}: {reason}")
        shape = shape_of(self.spec, infos[0])
        way = Way("encode", transition_frames(self.spec, shape.exact_rate), shape)
        try:
            return self._encoded(way, infos, failures)
        except NotCopied as why:
            raise CutVerificationFailed(f"the reel can't be joined: {why}") from why

    def _encoded(self, way: Way, infos: Sequence[MediaInfo], failures: list[str]) -> Clip:
        """The reel, made of encoded parts. Raises as `_made`."""
        parts = self._parts(way)
        encoders = {_encoder(part.report.encoder) for part in parts if part.report is not None}
        if len(encoders) < 2:
            try:
                return self._joined(way, parts, infos, failures)
            except (NotCopied, EncoderFailed) as error:
                if not any(map(on_gpu, encoders)):
                    raise
                reason = str(error)
            failures.append(
                f"the parts made on a GPU could not be joined ({reason}): the CPU made them again"
            )
        # The GPU gave up, or was taken: frames of two encoders can't be joined.
        codec = "hevc" if self.spec.output.video_codec == "hevc" else "h264"
        return self._made(replace(way, choice=Choice(CPU[codec])), infos, failures)

    def _probed(self) -> list[MediaInfo]:
        """Of each part. A recording of several is probed once."""
        self.progress.begin("encode")
        found: dict[Path, MediaInfo] = {}
        infos = []
        for index, part in enumerate(self.spec.parts):
            with of_part(index), self._opened(index) as source:
                known = found.get(part.source)
                if known is None or known.identity != source.identity:
                    found[part.source] = known = self.tools.probe_source(source)
                if known.video_stream is None or known.video_stream.video is None:
                    raise SourceHasNoVideo(f"{part.source.name} has no video stream")
            infos.append(known)
        return infos

    @contextmanager
    def _opened(self, index: int) -> Iterator[SourceFile]:
        self.interruption.raise_if_set()
        source = self.open_part(index)
        try:
            yield source
        finally:
            source.close()

    def _made(self, way: Way, infos: Sequence[MediaInfo], failures: list[str]) -> Clip:
        """The reel, made this way. Raises `NotCopied`."""
        return self._joined(way, self._parts(way), infos, failures)

    def _kept(self, way: Way) -> KeptParts:
        return KeptParts(self.kept, way.mode)

    def _parts(self, way: Way) -> list[KeptPart]:
        kept = self._kept(way)
        maker = PartMaker(self.tools, self.spec, kept, way, self.folder)
        self.progress.begin(way.mode)
        parts: list[KeptPart] = []
        resumed: int | None = None
        for index in range(len(self.spec.parts)):
            before = parts[-1] if parts else None
            with of_part(index), self._opened(index) as source:
                part = maker.find(index, source, before)
                if part is not None and resumed is None:
                    resumed = kept.resumed()
                if part is None:
                    if before is not None and not kept.has_tail(index - 1, before):
                        return self._again(way)
                    part = maker.make(index, source, before, self._reporter(index))
            if index:
                kept.drop_tail(index - 1)
            parts.append(part)
            self.progress.completed(index)
            self.checkpoint(self._checkpoint(parts, way, resumed or 0))
        return parts

    def _again(self, way: Way) -> list[KeptPart]:
        """All parts from the first one on: one has changed, and the frames that its transition needs of the
        part before it are removed already."""
        kept = self._kept(way)
        for index in range(len(self.spec.parts)):
            kept.clear(index)
        return self._parts(way)

    def _reporter(self, index: int) -> Callable[..., None]:
        return lambda stage, percent: self.progress.part(index, stage, percent)

    def _checkpoint(self, parts: Sequence[KeptPart], way: Way, resumed: int) -> Checkpoint:
        done = sum(part.prepared.frames for part in parts)
        seconds = sum((part.out_point - part.in_point for part in self.spec.parts[len(parts) :]), Fraction(0))
        usual = parts[-1].prepared.usual
        return Checkpoint(
            frame=done,
            total=done + round(seconds / usual),
            segment=len(parts),
            segments=len(self.spec.parts),
            resumed_count=resumed,
        )

    def _spans(self, way: Way, parts: Sequence[KeptPart]) -> list[Span]:
        lengths = [part.prepared.length for part in parts]
        overlaps = [Fraction(0)] * (len(parts) - 1)
        if self.spec.transition == "dissolve":
            if way.shape is not None:
                overlaps = [way.frames / way.shape.exact_rate] * (len(parts) - 1)
            else:
                overlaps = [self._tail(part) for part in parts[:-1]]
        return spans_of(lengths, overlaps)

    def _tail(self, part: KeptPart) -> Fraction:
        tail = part.prepared.tail
        return tail.length * part.prepared.tick if tail is not None else Fraction(0)

    def _joined(
        self, way: Way, parts: Sequence[KeptPart], infos: Sequence[MediaInfo], failures: list[str]
    ) -> Clip:
        spans = self._spans(way, parts)
        order = self._order(way, parts, spans, infos)
        self.interruption.raise_if_set()
        files = [path for part in order.parts for path in (part.video, part.join) if path is not None]
        source = open_path(files[0])
        try:
            found = self.tools.job("assemble:assemble", source, self.progress.joining, order)
        finally:
            source.close()
        if isinstance(found, str):
            raise NotCopied(found)
        assert isinstance(found, Assembled)
        self.progress.joining("verifying", 100.0)
        return self._clip(way, parts, spans, order, found, failures)

    def _order(
        self, way: Way, parts: Sequence[KeptPart], spans: Sequence[Span], infos: Sequence[MediaInfo]
    ) -> AssembleOrder:
        spec, (first, video) = self.spec, video_of(infos[0])
        reports = [part.report for part in parts if part.report is not None]
        encoder = next((report.encoder for report in reports if report.encoder is not None), None)
        encoder = encoder or next((part.prepared.encoder for part in parts if part.prepared.encoder), None)
        gpu = next((report.gpu for report in reports if report.encoder == encoder), None)
        rate = way.shape.exact_rate if way.shape is not None else None
        size = (way.shape.width, way.shape.height) if way.shape else (video.width, video.height)
        cut = part_cut(spec.parts[0], way.mode, spec, way.shape)
        container = NAMED[spec.output.container] if spec.output.container else MP4
        program = self.tools.program
        reel = Reel(
            folder=self.folder,
            stem=self.stem,
            ffmpeg=program,
            container=container,
            mode=way.mode,
            quality=spec.quality,
            video=replace(first, codec=CODECS[_encoder(encoder)]) if rate is not None else first,
            encoder=encoder,
            gpu=gpu,
            size=size,
            tick=first.time_base,
            usual=1 / rate if rate is not None else parts[-1].prepared.usual,
            length=spans[-1].end,
            chapters=chapters_of(spec.parts, spans) if spec.chapters else (),
            reencoded=self._reencoded(way, parts, spans),
            verify=self.tools.verify,
        )
        return AssembleOrder(
            reel=reel,
            parts=tuple(self._placed(way, parts, spans)),
            kind=spec.transition,
            ramp=self._ramp(way, parts),
            cut=cut,
            choice=self.tools.encoder_again(_encoder(encoder), gpu, cut),
            rate=rate,
        )

    def _placed(self, way: Way, parts: Sequence[KeptPart], spans: Sequence[Span]) -> Iterator[Made]:
        kept = self._kept(way)
        maker = PartMaker(self.tools, self.spec, kept, way, self.folder)
        for index, (part, span) in enumerate(zip(parts, spans, strict=True)):
            edges, prepared = maker.edges(index), part.prepared
            rate = way.shape.exact_rate if way.shape is not None else None
            joined_at, head = span.start, Fraction(0)
            if rate is not None:
                head = edges.head / rate
                before = edges.head / rate if self.spec.transition == "fade" else Fraction(0)
            else:
                dissolved = self.spec.transition == "dissolve" and index > 0
                head = self._tail(parts[index - 1]) if dissolved else prepared.head_length
                before = self._tail(parts[index - 1]) if index and not dissolved else Fraction(0)
            joined_at = span.start - before
            yield Made(
                video=kept.path(index, "mp4") if part.report is not None else None,
                frames=prepared.frames,
                edges=edges,
                join=kept.path(index, "join") if prepared.join else None,
                audio=kept.path(index, "pcm") if prepared.audio else None,
                span=span,
                body=span.start + head,
                joined_at=joined_at,
            )

    def _ramp(self, way: Way, parts: Sequence[KeptPart]) -> Fraction:
        """Seconds in which a transition changes the volume of a part."""
        if not way.frames or len(parts) < 2:
            return Fraction(0)
        return way.frames / way.shape.exact_rate if way.shape is not None else self._tail(parts[0])

    def _mixed(self, way: Way, part: KeptPart) -> Fraction:
        """Seconds of a part that belong to transitions."""
        return Fraction(0) if way.shape is not None else part.prepared.head_length + self._tail(part)

    def _reencoded(self, way: Way, parts: Sequence[KeptPart], spans: Sequence[Span]) -> Fraction:
        if way.shape is not None:
            return spans[-1].end
        edges = sum(part.report.reencoded_seconds for part in parts if part.report is not None)
        mixed = sum((self._mixed(way, part) for part in parts), Fraction(0))
        overlapping = sum((one.end - other.start for one, other in pairwise(spans)), Fraction(0))
        return Fraction(str(round(edges, 6))) + mixed - overlapping

    def _clip(
        self,
        way: Way,
        parts: Sequence[KeptPart],
        spans: Sequence[Span],
        order: AssembleOrder,
        made: Assembled,
        failures: Sequence[str],
    ) -> Clip:
        reel = order.reel
        reported = [
            ReportedPart(spec, part.prepared, part.report, span, self._mixed(way, part))
            for spec, part, span in zip(self.spec.parts, parts, spans, strict=True)
        ]
        report = reel_report(
            reported,
            made,
            mode=way.mode,
            codec=reel.video.codec,
            encoder=reel.encoder,
            gpu=reel.gpu,
            requested=requested_length(self.spec),
            reencoded=reel.reencoded,
            warnings=failures,
        )
        return Clip(
            path=made.path,
            extension=reel.container.extension,
            content_type=reel.container.content_type,
            size=made.path.stat().st_size,
            sha256=made.sha256,
            duration=round(float(made.duration), 6),
            report=report,
        )


@contextmanager
def of_part(index: int) -> Iterator[None]:
    """Say in an error which part it is of."""
    try:
        yield
    except (Cancelled, GivenBack):
        raise
    except ClippingError as error:
        error.part, error.message = index, f"clips[{index}]: {error.message}"
        error.args = (error.message,)
        raise


def _encoder(name: str | None) -> EncoderName:
    return next((known for known in CANDIDATES if known == name), "libx264")
