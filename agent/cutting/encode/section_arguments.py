"""ffmpeg's arguments for the video of a clip, or of a part of it, without audio. Pure: compiled here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path

import ffmpeg

from agent.cutting.effects.frame_effects import per_frame
from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.encoder_options import (
    Means,
    compiled,
    encoder_options,
    encoding,
    finished,
    keyframe_options,
    tagged,
    time_base_option,
)
from agent.cutting.encode.filters import FilterStream, Options, seconds
from agent.cutting.encode.rate_control import Rates
from agent.cutting.encode.reshape import shaped
from agent.cutting.encode.video_filters import Section, decoded_filters, drawn_over, retimed, video_filters
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.plan import Plan
from agent.cutting.plan.segments import Segment
from agent.cutting.plan.spec import CutSpec
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import DEMUXERS, PROTOCOLS, decoder_options, url

_MARGIN = Fraction(15)
"""Seconds before the range to read from where no keyframe is known."""
_IMPRECISE = frozenset({"mpegts", "mpeg"})
_IMPRECISE_SECONDS = Fraction(2)
"""Seeking in these lands after the requested keyframe."""


@dataclass(frozen=True)
class TitleImage:
    """The title of a clip as a PNG."""

    path: Path
    at: tuple[int, int]
    """Where its top left corner is, in pixels."""


@dataclass(frozen=True)
class CaptionVideo:
    """Captions as a video of images, NUT with PNG."""

    path: Path
    at: tuple[int, int]
    """Where its top left corner is, in pixels."""
    tick: Fraction
    """Seconds: what its images are timed in."""


@dataclass(frozen=True)
class Drawn:
    """What is drawn over the frames of a clip or a part of it."""

    title: TitleImage | None = None
    captions: CaptionVideo | None = None

    @property
    def inputs(self) -> int:
        """How many there are."""
        return (self.title is not None) + (self.captions is not None)

    def on(self, video: FilterStream) -> FilterStream:
        """The video with all of it."""
        return self.captions_on(self.title_on(video))

    def title_on(self, video: FilterStream) -> FilterStream:
        """The video with the title."""
        if self.title is None:
            return video
        image = ffmpeg.input(url(self.title.path), f="png_pipe", protocol_whitelist="file")["v:0"]
        return drawn_over(video, image, self.title.at, eof_action="repeat")

    def captions_on(self, video: FilterStream) -> FilterStream:
        """The video with the captions: its frames have the times of the clip, or of the part."""
        if self.captions is None:
            return video
        options = {"f": "nut", "protocol_whitelist": "file", "threads": 1}
        images = ffmpeg.input(url(self.captions.path), **options)["v:0"]
        tick = self.captions.tick
        # With the times of the frames, no time is rounded.
        images = images.filter("settb", f"{tick.numerator}/{tick.denominator}")
        # Not "repeat", with which ffmpeg 9 fails where it finds no frame: this way of making the clip is then
        # given up for a safer one.
        return drawn_over(video, images, self.captions.at, eof_action="pass", shortest=1)


NOTHING_DRAWN = Drawn()
"""Over no frame."""


@dataclass(frozen=True)
class Commands:
    """The command lines that make a video: one, or two with the effects between them."""

    encode: list[str]
    """Writes the file. With `decode`, it reads NUT from its standard input."""
    decode: list[str] | None
    """Writes the frames that effects are applied to as NUT to its standard output."""


def section_commands(
    means: Means,
    recording: str,
    info: MediaInfo,
    plan: Plan,
    frames: Frames,
    segment: Segment,
    target: Path,
    spec: CutSpec,
    rates: Rates,
    *,
    drawn: Drawn,
    from_start: bool,
    gaps: bool,
) -> Commands:
    """What encodes the video of one segment of a clip, as MP4. Its first frame is at 0.

    The rest as `arguments.encode_arguments`.
    """
    video = plan.video_stream.video
    assert video is not None
    tick = plan.video_stream.time_base
    clip = ClipFrames.of(plan, frames, spec)
    # A deinterlacer needs the frames before and after.
    read = frames.part(segment, tick, around=1 if video.interlaced else 0)
    section = Section(frames, frames.part(segment, tick))
    source = ffmpeg.input(recording, **input_options(info, read, from_start=from_start))["V:0"]
    decode = None
    if per_frame(spec.effects, video):
        stream = decoded_filters(source, video, tick, read, spec, means, gaps=gaps, section=section)
        options: Options = {
            "c:v": "rawvideo",
            "fps_mode": "passthrough",
            # Else the times of variable rates are rounded.
            "enc_time_base:v": time_base_option(tick if clip.speed is not None else clip_tick(plan, clip)),
            "f": "nut",
        }
        decode = compiled(means.program, ffmpeg.output(stream, "pipe:1", **options), progress=False)
        read_again = {"f": "nut", "protocol_whitelist": "pipe", "copyts": None, **decoder_options()}
        # Raw video does not say which colours it has, and ffmpeg 7 converts what it takes for others. It does
        # not say either that its pixels are square, which encoders write into their parameters.
        stream = tagged(ffmpeg.input("pipe:0", **read_again)["v:0"].filter("setsar", 1))
        if spec.effects.framing is None and spec.output.resized:
            stream = shaped(stream, spec.output, {})
    else:
        stream = video_filters(source, video, tick, read, spec, means, gaps=gaps, section=section)
    stream = drawn.title_on(stream)
    if clip.speed is not None and clip.rate is not None:
        stream = retimed(stream, clip.speed, clip.rate, clip.count)
    stream = finished(drawn.captions_on(stream), means.encoder)
    options = {
        **encoded(means, plan, spec, rates, clip, begin=section.part.start - frames.start),
        "map_metadata": -1,
        "map_chapters": -1,
        "f": "mp4",
    }
    return Commands(encoding(means, ffmpeg.output(stream, url(target), **options)), decode)


def clip_tick(plan: Plan, clip: ClipFrames) -> Fraction:
    """Seconds: what the frames of a clip are timed in."""
    return plan.video_stream.time_base if clip.rate is None else 1 / clip.rate


def encoded(
    means: Means,
    plan: Plan,
    spec: CutSpec,
    rates: Rates,
    clip: ClipFrames,
    *,
    begin: Fraction = Fraction(0),
) -> Options:
    """The output's options for encoded video; `begin`: when it begins, in seconds of the clip."""
    return {
        **encoder_options(means, spec, rates),
        **keyframe_options(
            means.encoder, [at - begin for at in spec.keyframes if at > begin], clip_tick(plan, clip)
        ),
        "enc_time_base:v": time_base_option(clip_tick(plan, clip)),
    }


def input_options(info: MediaInfo, frames: Frames, *, from_start: bool) -> Options:
    """The options of a recording of which `frames` are read."""
    options: Options = {
        "f": info.demuxer,
        "protocol_whitelist": PROTOCOLS,
        "format_whitelist": DEMUXERS,
        "copyts": None,
        **decoder_options(),
    }
    if from_start:
        return options
    entry = frames.first - _MARGIN if frames.entry is None else frames.entry
    if info.demuxer in _IMPRECISE:
        entry -= _IMPRECISE_SECONDS
    # A microsecond later is still before the next frame, and never before the keyframe itself.
    microseconds = floor(entry * 1_000_000) + 1
    return options | {
        "seek_timestamp": 1,
        "noaccurate_seek": None,
        "ss": seconds(Fraction(microseconds, 1_000_000)),
    }
