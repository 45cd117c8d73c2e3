"""Additional inputs of an encode: the clip's subtitles and chapters, as files for ffmpeg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.container

from agent.cutting.formats.containers import MATROSKA, subtitles_as
from agent.cutting.formats.header import Header
from agent.cutting.plan.captions import Caption
from agent.cutting.plan.plan import Plan, Subtitle
from agent.cutting.plan.speed import Speed
from agent.cutting.writing.muxer import Sink, set_chapters
from agent.cutting.writing.subtitles import Cue, add_subtitles
from agent.cutting.writing.text_track import write_captions
from clipping.errors import EncoderFailed


@dataclass(frozen=True)
class Beside:
    """Files that are taken into the clip with the recording, in the clip's time."""

    subtitles: Path | None
    """Matroska; its streams are the plan's."""
    chapters: Path | None
    """As ffmpeg keeps metadata in files."""
    captions: Path | None = None
    """MOV or Matroska, with the one stream that the clip gets."""


@contextmanager
def files_beside(
    container: av.container.InputContainer,
    plan: Plan,
    start: Fraction,
    cues: list[Cue],
    target: Path,
    speed: Speed | None,
    captions: Sequence[Caption] = (),
) -> Iterator[Beside]:
    """The subtitles and chapters of a clip that begins at `start`, as files for as long as this holds.

    `speed`: where the clip's differs from the recording's; `captions`: of the requested text track. Raises as
    `Sink`.
    """
    header = plan.header(start)
    if speed is not None:
        cues = [replace(cue, start=speed.at(cue.start), end=speed.at(cue.end)) for cue in cues]
        chapters_then = tuple(
            replace(each, start=speed.at(each.start), end=speed.at(each.end)) for each in header.chapters
        )
        header = replace(header, chapters=chapters_then)
    subtitles = target.with_suffix(".subtitles") if plan.subtitles else None
    chapters = target.with_suffix(".chapters") if header.chapters else None
    track = target.with_suffix(".captions") if captions else None
    try:
        if subtitles is not None:
            _write_subtitles(container, plan, cues, subtitles)
        if chapters is not None:
            write_chapters(header, chapters)
        if track is not None:
            write_captions(track, plan.container, captions)
        yield Beside(subtitles, chapters, track)
    finally:
        for file in filter(None, (subtitles, chapters, track)):
            file.unlink(missing_ok=True)


def _write_subtitles(
    container: av.container.InputContainer, plan: Plan, cues: Iterable[Cue], target: Path
) -> None:
    kept = [Subtitle(s.source, subtitles_as(MATROSKA, s.source.codec) or s.codec) for s in plan.subtitles]
    with Sink(target, MATROSKA, 0, Header()) as sink:
        add_subtitles(container, sink, replace(plan, subtitles=tuple(kept)), cues)


def write_chapters(header: Header, target: Path) -> None:
    """A file of nothing but chapters, in ffmpeg's own notation. Raises `EncoderFailed`."""
    try:
        with av.open(f"file:{target}", "w", format="ffmetadata") as file:
            set_chapters(file, header)
            file.start_encoding()
    except av.error.FFmpegError as error:
        raise EncoderFailed(f"the chapters can't be written in {target.parent}: {error.strerror}") from error
