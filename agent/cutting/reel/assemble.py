"""Joins the parts of a reel that are cut: transitions, one video stream, one audio track, chapters.

Runs in a process of its own. Frames are copied from the parts' files; only those of transitions are encoded.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg as ffmpeg_python

from agent.cutting.encode import ffmpeg
from agent.cutting.encode.encoder_options import (
    Means,
    encoder_options,
    encoding,
    finished,
    name_option,
    time_base_option,
)
from agent.cutting.encode.joining import Mismatched, Piece, alike, frames_of, join, parameters
from agent.cutting.encode.pipeline import run_fed
from agent.cutting.encode.rate_control import rates
from agent.cutting.formats import avc
from agent.cutting.formats.bits import Malformed
from agent.cutting.formats.nal import length_size
from agent.cutting.formats.streams import tick_of
from agent.cutting.plan.encoders import on_gpu
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.process.context import Context
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.source import OPENING, url
from agent.cutting.reel.blend import Pixels, transition
from agent.cutting.reel.mux import finish
from agent.cutting.reel.orders import Assembled, AssembleOrder
from agent.cutting.verify.decodes import Rejected

_JOIN_BYTES = 1 << 30
_TRANSITIONS, _JOINED = 0.3, 0.5
"""The share of the progress at the end of the steps."""


def assemble(context: Context, descriptor: int, order: AssembleOrder) -> Assembled | str:
    """The job; a text says why the parts don't make up a reel that plays everywhere.

    `descriptor`: of one of the parts, by which stalls are recognised. Raises `EncoderFailed` and `NoSpace`.
    """
    notify = ProgressSender(context)
    notify("cutting", 0)
    work = _Assembling(order, notify)
    with _scratch(order.reel.folder / f"{order.reel.stem}.joins") as folder:
        try:
            return work.run(folder)
        except (Mismatched, Rejected, Unsuited) as reason:
            return str(reason)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Assembling:
    def __init__(self, order: AssembleOrder, notify: ProgressSender) -> None:
        self._order, self._notify = order, notify
        choice = order.choice
        self._means = Means(order.reel.ffmpeg, choice.encoder, frozenset(), choice.mode, choice.gpu)

    def run(self, folder: Path) -> Assembled:
        order = self._order
        pieces, tick = self._pieces(folder)
        joined = folder / "video"
        usual = 1 if order.rate else max(1, round(order.reel.usual / tick))
        join(pieces, joined, tick, usual, extradata=self._parameters(pieces))
        for piece in pieces:
            if piece.path.parent == folder:
                piece.path.unlink(missing_ok=True)
        self._notify("cutting", 100 * _JOINED)
        joints = tuple(piece.begin * tick for piece in pieces[1:])
        audio = [(part.audio, part.span) for part in order.parts]
        frames = sum(piece.frames for piece in pieces)
        return finish(
            order.reel, joined, frames, joints, audio, order.ramp, self._notify, begun=100 * _JOINED
        )

    def _pieces(self, folder: Path) -> tuple[list[Piece], Fraction]:
        order, pieces = self._order, list[Piece]()
        tick = 1 / order.rate if order.rate else order.reel.tick
        for number, part in enumerate(order.parts):
            if number and order.kind != "cut":
                path = part.join or self._transition(number, folder)
                pieces.append(Piece(path, round(part.joined_at / tick), frames_of(path)))
            body = part.frames - part.edges.head - part.edges.tail
            if body and part.video is not None:
                skip, rest = (part.edges.head, part.edges.tail) if order.rate else (0, 0)
                pieces.append(Piece(part.video, round(part.body / tick), body, skip, rest))
        return pieces, tick

    def _transition(self, number: int, folder: Path) -> Path:
        """Encode the transition between an encoded part and the one before it."""
        order = self._order
        one, other = order.parts[number - 1], order.parts[number]
        assert order.rate is not None
        assert one.video is not None
        assert other.video is not None
        count = other.edges.head
        tail = _decoded(one.video, one.frames - one.edges.tail, one.edges.tail, order.rate)
        head = _decoded(other.video, 0, count, order.rate)
        frames = transition(order.kind, tail, head, count=count, full_range=False)
        target = folder / f"{number}.mp4"
        length = (1 if order.kind == "dissolve" else 2) * count
        run_fed(
            self._command(target, length),
            (frame.to_bytes() for frame in frames),
            seconds=float(length / order.rate),
            limits=ffmpeg.Limits(_JOIN_BYTES, None if on_gpu(self._means.encoder) else own_memory_limit()),
            progress=lambda share: self._report(number - 1 + share),
            started=self._notify.helper,
        )
        if (found := frames_of(target)) != length:
            raise Mismatched(f"a transition has {found} frames and should have {length}")
        if not alike(one.video, target):
            raise Mismatched("the encoder's parameters differ between a part and its transition")
        return target

    def _report(self, transitions: float) -> None:
        self._notify("cutting", 100 * _TRANSITIONS * transitions / max(1, len(self._order.parts) - 1))

    def _command(self, target: Path, frames: int) -> list[str]:
        order = self._order
        rate, (width, height) = order.rate, order.reel.size
        assert rate is not None
        raw = {"f": "rawvideo", "pixel_format": "yuv420p", "s": f"{width}x{height}"}
        given = ffmpeg_python.input("pipe:0", framerate=f"{rate.numerator}/{rate.denominator}", **raw)
        stream = finished(given["v:0"].filter("setsar", 1), self._means.encoder)
        options = {
            **encoder_options(
                self._means,
                order.cut,
                rates(order.cut, seconds=frames / rate, frames=frames, tracks=0),
            ),
            "enc_time_base:v": time_base_option(1 / rate),
            "f": "mp4",
            **name_option(self._means.encoder),  # as in the parts: it is in the header's bits too
        }
        return encoding(self._means, ffmpeg_python.output(stream, url(target), **options))

    def _parameters(self, pieces: list[Piece]) -> bytes | None:
        """The header of a copied reel: the parameter sets of all pieces. Raises `Mismatched`."""
        if self._order.rate is not None:
            return None
        return merged([parameters(piece.path) or b"" for piece in pieces])


def merged(headers: Sequence[bytes]) -> bytes:
    """One H.264 header with the parameter sets of several. Raises `Mismatched` where they contradict."""
    try:
        sets, lengths = avc.sets_of(headers[0]), {length_size("h264", header) for header in headers}
        more = [unit for header in headers for unit in avc.sets_of(header)]
        extra = list(dict.fromkeys(unit for unit in more if unit not in sets))
        if len(lengths) != 1 or avc.contradict([*sets, *extra]):
            raise Mismatched("their headers contradict each other, as those of different encoders may")
        return avc.with_sets(headers[0], extra)
    except Malformed as error:
        raise Mismatched(f"their headers can't be joined: {error}") from error


def _decoded(path: Path, first: int, count: int, rate: Fraction) -> Iterator[Pixels]:
    """Frames of an encoded part, of which `first` is a keyframe."""
    with av.open(f"file:{path}", **OPENING) as container:
        video = container.streams.video[0]
        tick = tick_of(video)
        at = [round(number / rate / tick) for number in (first, first + count)]
        container.seek(at[0], stream=video, backward=True)
        for frame in container.decode(video):
            if frame.pts is None or frame.pts >= at[1] - 1:
                return
            if frame.pts >= at[0] - 1:
                yield Pixels.of(frame)
