"""What a part of a reel needs beside its own cut: its length, its audio, and the frames of its transitions.

Runs in a process of its own, with the part's recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av.container
import ffmpeg as ffmpeg_python

from agent.cutting.cache import Cache
from agent.cutting.encode import ffmpeg
from agent.cutting.encode.arguments import audio_filters
from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.encoder_options import compiled
from agent.cutting.encode.section_arguments import input_options
from agent.cutting.formats.containers import MP4
from agent.cutting.formats.header import Header
from agent.cutting.formats.packets import AnyPacket, pts_of
from agent.cutting.formats.streams import video_stream
from agent.cutting.indexed import cut as direct
from agent.cutting.plan.bounds import refuse_large
from agent.cutting.plan.outcome import Unsuited
from agent.cutting.plan.plan import Plan, plan_cut, without_silent
from agent.cutting.process.context import Context
from agent.cutting.process.limits import own_memory_limit
from agent.cutting.process.progress import ProgressSender
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.decoding import decoded
from agent.cutting.reading.demux import report_packets
from agent.cutting.reading.frames import Frames, frames_in
from agent.cutting.reading.seek import NoCleanStart, enter
from agent.cutting.reading.source import SourceFile, lacking, limit_pixels, url
from agent.cutting.recording import Opened
from agent.cutting.reel.audio import RATE, samples_at
from agent.cutting.reel.blend import Pixels, transition
from agent.cutting.reel.layout import check_long_enough
from agent.cutting.reel.orders import PartOrder, Prepared, Tail
from agent.cutting.reel.tail import frames_of_tail, write_tail
from agent.cutting.smart.matching_encoder import Matching, matching
from agent.cutting.writing.muxer import Sink, index_space
from agent.cutting.writing.video_writer import VideoWriter

_AUDIO_BYTES_A_SECOND = 4 * RATE
_MOST_AUDIO_BYTES_AT_LEAST = 64 << 20
_MOST_APART = Fraction(2, 1000)
"""Seconds by which the lengths of the frames that are mixed may differ, as ticks are rounded."""


def prepare_part(context: Context, descriptor: int, order: PartOrder) -> Prepared | str:
    """The job; a text says why frames can't be copied. Raises as `Engine.cut`, and `RangeBeyondEnd` when the
    part is shorter than its transitions."""
    notify = ProgressSender(context)
    notify("probing", 0)
    report_packets(notify.alive)
    cut = order.cut
    source = SourceFile(cut.spec.source, descriptor, cut.identity, cut.present)
    limit_pixels(cut.max_pixels)
    with Opened(source, Cache(cut.cache)) as opened:
        refuse_large(source.name.name, opened.info, cut.spec, cut.max_pixels)
        try:
            return _Preparing(opened, order, notify).run()
        except Unsuited as reason:
            if source.present is not None:
                raise lacking(source) from None
            return str(reason)


class _Preparing:
    def __init__(self, opened: Opened, order: PartOrder, notify: ProgressSender) -> None:
        self._opened, self._order, self._notify = opened, order, notify
        self._cut = order.cut
        self._plan = plan_cut(opened.info, self._cut.spec, "encode")
        self._damage = Damage(opened.info.zero)
        self._container, self._frames = self._found()
        video = self._plan.video_stream
        self._tick = video.time_base
        self._video = video_stream(self._container, video.index)

    def _found(self) -> tuple[av.container.InputContainer, Frames]:
        container = self._opened.around(self._plan)
        cutout = self._opened.cutout
        return container, frames_in(
            container,
            self._plan,
            self._damage,
            begins_late=cutout.begins_late,
            ends_early=cutout.ends_early,
        )

    def run(self) -> Prepared:
        frames, edges, zero = self._frames, self._order.edges, self._opened.info.zero
        clip = ClipFrames.of(self._plan, frames, self._cut.spec)
        copied = self._cut.spec.mode != "encode"
        check_long_enough(frames.count if copied else clip.count, edges)
        shown = frames.shown
        head, tail = shown[: edges.head], shown[len(shown) - edges.tail :]
        # The last frame is mixed for as long as it is shown in the recording.
        over = self._ticks(frames.last + frames.usual if tail and frames.held else frames.end)
        begin = self._ticks(frames.start) if not head else [*shown, over][edges.head]
        end = over if not tail else tail[0]
        start = self._ticks(frames.start)
        length = (over - start) * self._tick if copied else clip.seconds
        join, encoder = self._join(head, begin - start)
        return Prepared(
            start=frames.start - zero,
            end=frames.end - zero,
            length=length,
            frames=frames.count if copied else clip.count,
            tick=self._tick,
            usual=frames.usual if copied else 1 / clip.rate if clip.rate else frames.usual,
            audio=self._cut.spec.output.audio and self._audio(clip, length),
            body=(begin * self._tick - zero, end * self._tick - zero),
            head_length=(begin - start) * self._tick,
            tail=self._tail(tail, over - end),
            join=join,
            encoder=encoder,
        )

    def _ticks(self, seconds: Fraction) -> int:
        return round(seconds / self._tick)

    def _audio(self, clip: ClipFrames, length: Fraction) -> bool:
        """Write the part's audio; whether it has any."""
        plan = without_silent(
            self._plan, {t.source.index for t in self._plan.tracks} - set(self._frames.audio_ends)
        )
        if not plan.tracks:
            return False
        track = next((t for t in plan.tracks if t.source.default), plan.tracks[0])
        options = input_options(self._opened.info, self._frames, from_start=False)
        recording = ffmpeg_python.input(self._container.name, **options)
        stream = audio_filters(recording[f"a:{track.position}"], track.source, self._frames, clip.speed)
        stream = stream.filter("aresample", RATE)
        stream = stream.filter("aformat", sample_fmts="s16", channel_layouts="stereo")
        stream = stream.filter("apad").filter("atrim", end_sample=samples_at(length))
        target = self._path("pcm")
        output = ffmpeg_python.output(stream, url(target), f="s16le", acodec="pcm_s16le")
        size = _AUDIO_BYTES_A_SECOND * int(length + 1) * 2
        ffmpeg.run(
            compiled(self._cut.ffmpeg, output),
            source=self._opened.source,
            seconds=float(length),
            limits=ffmpeg.Limits(max(_MOST_AUDIO_BYTES_AT_LEAST, size), own_memory_limit()),
            progress=lambda share: self._notify("probing", 50 * share),
            started=self._notify.helper,
        )
        return True

    def _decoded(self, frames: Sequence[int]) -> Iterator[Pixels]:
        try:
            entry = enter(self._container, self._video, [], frames[0] * self._tick)
        except NoCleanStart as reason:
            raise Unsuited(str(reason)) from None
        packets = (p for p in entry.packets if p.stream_index == self._video.index and p.size)
        for frame in decoded(self._video.codec_context, packets, frames):
            self._notify.alive()
            yield Pixels.of(frame)

    def _tail(self, frames: tuple[int, ...], length: int) -> Tail | None:
        if not frames:
            return None
        shown = tuple(at - frames[0] for at in frames)
        return write_tail(self._decoded(frames), shown, length, self._path("tail"))

    def _join(self, head: tuple[int, ...], length: int) -> tuple[int, str | None]:
        """Write the transition from the part before to the first frames, which are shown for `length` ticks;
        how many frames it has, and their encoder."""
        before = self._order.before
        if before is None or not head:
            return 0, None
        shown = [max(0, at - self._ticks(self._frames.start)) for at in head]
        kind = self._order.transition
        if kind == "fade":
            times = [*before.shown, *(before.length + at for at in shown)]
            length += before.length
        else:
            times = list(before.shown)
            if len(before.shown) != len(shown) or abs(before.length - length) * self._tick > _MOST_APART:
                raise Unsuited("their frame rates differ, or vary")
            length = before.length
        return self._write_join(before, head, times, length)

    def _write_join(
        self, before: Tail, head: tuple[int, ...], times: Sequence[int], length: int
    ) -> tuple[int, str]:
        video = self._plan.video_stream
        assert video.video is not None
        encoder = self._matching(self._plan)
        edge = encoder.open()
        frames = transition(
            self._order.transition,
            frames_of_tail(before),
            self._decoded(head),
            count=len(head),
            full_range=video.video.full_range,
        )
        space = index_space(self._plan, length * self._tick)
        with Sink(self._path("join"), MP4, space, Header()) as sink:
            out = sink.copied(self._video, video, encoder.extradata)
            writer = VideoWriter(sink, out, self._tick, video.video, list(times))
            for number, pixels in enumerate(frames):
                frame = pixels.frame()
                frame.pts = times[number]
                _put(writer, edge.encode(frame), self._tick)
            _put(writer, edge.encode(None), self._tick)
            writer.finish(length)
        return len(times), encoder.encoder

    def _matching(self, plan: Plan) -> Matching:
        """The encoder whose frames fit between the copied ones of the body, chosen as the cut chooses it."""
        info = self._opened.info
        copied = replace(plan_cut(info, replace(self._cut.spec, mode="smart"), "smart"), tracks=())
        recording = self._opened.recording(copied)
        if recording is not None and direct.suits(recording, copied):
            found = matching(recording.extradata, plan.video_stream, None)
        else:
            context = self._video.codec_context
            found = matching(context.extradata, plan.video_stream, context.framerate)
        if found is None:
            raise Unsuited(f"no encoder here makes {plan.video_stream.codec} that fits between its frames")
        return found

    def _path(self, kind: str) -> Path:
        return self._cut.folder / f"{self._cut.stem}.{kind}"


def _put(writer: VideoWriter, packets: Iterable[AnyPacket], tick: Fraction) -> None:
    for packet in packets:
        packet.time_base = tick
        packet.duration = writer.usual
        writer.put(packet, pts_of(packet))
