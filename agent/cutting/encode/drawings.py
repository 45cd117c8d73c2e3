"""What is drawn over the frames of a clip: its title, and captions that are burned in, as images for ffmpeg.

Captions are a video of images, each of which stays until the next one. So there is one file, however many
there are, and ffmpeg decodes an image once for all the frames that show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from math import ceil
from pathlib import Path

import av
from PIL import Image

from agent.cutting.effects.captions import MOST_LINES, CaptionArt
from agent.cutting.effects.title import title_image
from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.section_arguments import CaptionVideo, Drawn, TitleImage
from agent.cutting.formats.media import VideoInfo
from agent.cutting.formats.packets import packet_of
from agent.cutting.plan.captions import Caption, captions_at, one_at_a_time
from agent.cutting.plan.shape import named_size, shown_size
from agent.cutting.plan.spec import CutSpec
from clipping.errors import NoSpace

_FAR = Fraction(3600)
"""Seconds after the end."""


class Burned:
    """The captions of a clip, as they are drawn on its frames."""

    def __init__(self, captions: Sequence[Caption], size: tuple[int, int]) -> None:
        """`size`: width and height of the frames."""
        self._shown = one_at_a_time(captions)
        self._art = CaptionArt(size)
        lines = [self._art.lines(caption.text) for caption in self._shown]
        self._box = self._art.box(lines)
        self.place = self._art.place(self._box)
        """Where the images' top left corner is, in pixels."""
        self.warnings = (
            (f"captions of more than {MOST_LINES} lines end in an ellipsis",)
            if any(len(each) == MOST_LINES and each[-1].endswith("…") for each in lines)
            else ()
        )

    @contextmanager
    def video(
        self, path: Path, begin: Fraction, length: Fraction, tick: Fraction
    ) -> Iterator[CaptionVideo | None]:
        """Those of a part of the clip as a file, for as long as this holds; None if it shows none.

        `begin`, `length`: in seconds. A caption is shown from the first frame at or after its start to the
        last one before its end, if frames are shown at multiples of `tick` seconds. Raises `NoSpace`.
        """
        changes = self._changes(begin, ceil(length / tick), tick)
        if not any(changes.values()):
            yield None
            return
        try:
            try:
                self._write(path, changes, tick)
            except (OSError, av.error.FFmpegError) as error:
                raise NoSpace(f"captions can't be written in {path.parent}: {error.strerror}") from error
            yield CaptionVideo(path, self.place, tick)
        finally:
            path.unlink(missing_ok=True)

    def _changes(self, begin: Fraction, stop: int, tick: Fraction) -> dict[int, Caption | None]:
        """What is shown from which tick on, to `stop`, and an image that no frame of the clip reaches.

        While there is an image to come, `overlay` ends with the frames; else it could go on after them.
        """
        found: dict[int, Caption | None] = {0: None}
        for caption in self._shown:
            first, end = (max(0, ceil((at - begin) / tick)) for at in (caption.start, caption.end))
            if first < min(end, stop):
                found |= {first: caption, end: None}
        shown = {at: caption for at, caption in found.items() if at < stop}
        return shown | {stop + ceil(_FAR / tick): None}

    def _write(self, path: Path, changes: dict[int, Caption | None], tick: Fraction) -> None:
        nothing = _png(Image.new("RGBA", self._box, (0, 0, 0, 0)))
        with av.open(f"file:{path}", "w", format="nut") as file:
            stream = file.add_stream("png")
            stream.width, stream.height = self._box
            stream.pix_fmt = "rgba"
            stream.time_base = stream.codec_context.time_base = tick
            for at, caption in changes.items():
                data = nothing if caption is None else self._image(caption)
                packet = packet_of(data)
                packet.stream, packet.time_base = stream, tick
                packet.pts = packet.dts = at
                packet.is_keyframe = True
                file.mux_one(packet)

    def _image(self, caption: Caption) -> bytes:
        return _png(self._art.image(self._art.lines(caption.text), self._box))


@dataclass(frozen=True)
class Drawings:
    """What is drawn over a clip."""

    title: TitleImage | None
    burned: Burned | None

    @contextmanager
    def part(self, path: Path, begin: Fraction, length: Fraction, tick: Fraction) -> Iterator[Drawn]:
        """As inputs of ffmpeg for a part of the clip, for as long as this holds; as `Burned.video`."""
        if self.burned is None:
            yield Drawn(self.title, None)
            return
        with self.burned.video(path, begin, length, tick) as video:
            yield Drawn(self.title, video)

    def anywhere(self, tick: Fraction) -> Drawn:
        """As for any part and on any machine, to compare how parts are made."""
        title = self.title and TitleImage(Path("title"), self.title.at)
        if self.burned is None:
            return Drawn(title)
        return Drawn(title, CaptionVideo(Path("captions"), self.burned.place, tick))

    @property
    def warnings(self) -> tuple[str, ...]:
        """The report's."""
        return self.burned.warnings if self.burned is not None else ()


@contextmanager
def drawings(spec: CutSpec, video: VideoInfo, clip: ClipFrames, target: Path) -> Iterator[Drawings]:
    """What is requested, with files beside `target` for as long as this holds. Raises `NoSpace`."""
    size = named_size(spec.output, spec.effects) or shown_size(video, spec.output)
    wanted, burned = spec.effects.burned, None
    if wanted is not None and (captions := captions_at(wanted.read().cues, clip.seconds, speed=clip.speed)):
        burned = Burned(captions, size)
    title = spec.effects.title
    if title is None:
        yield Drawings(None, burned)
        return
    image, at = title_image(title, size)
    path = target.with_suffix(".title")
    try:
        try:
            image.save(path, format="png", compress_level=1)
        except OSError as error:
            raise NoSpace(f"the title can't be written in {target.parent}: {error.strerror}") from error
        yield Drawings(TitleImage(path, at), burned)
    finally:
        path.unlink(missing_ok=True)


def _png(image: Image.Image) -> bytes:
    data = BytesIO()
    image.save(data, format="png", compress_level=1)
    return data.getvalue()
