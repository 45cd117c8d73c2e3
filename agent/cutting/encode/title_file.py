"""The title of a clip as a PNG for ffmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.cutting.effects.title import title_image
from agent.cutting.encode.section_arguments import TitleImage
from agent.cutting.formats.media import VideoInfo
from agent.cutting.plan.shape import named_size, shown_size
from agent.cutting.plan.spec import CutSpec
from clipping.errors import NoSpace


@contextmanager
def title_file(spec: CutSpec, video: VideoInfo, target: Path) -> Iterator[TitleImage | None]:
    """The requested title as a file beside `target`, for as long as this holds. Raises `NoSpace`."""
    title = spec.effects.title
    if title is None:
        yield None
        return
    size = named_size(spec.output, spec.effects) or shown_size(video, spec.output)
    image, at = title_image(title, size)
    path = target.with_suffix(".title")
    try:
        try:
            image.save(path, format="png", compress_level=1)
        except OSError as error:
            raise NoSpace(f"the title can't be written in {target.parent}: {error.strerror}") from error
        yield TitleImage(path, at)
    finally:
        path.unlink(missing_ok=True)
