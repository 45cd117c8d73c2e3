"""ffmpeg's arguments for an encode that is exact to the frame. Pure: compiled here, run elsewhere.

Why they are so: plain `-ss` loses the first frames of MPEG-TS, the default frame rate mode doubles the first
frame and ruins variable rates, the default encoder timebase drops frames, a float in `setpts` rounds two
frames together. So reading starts before the range and frames are trimmed by their own times, a quarter frame
before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import ffmpeg

from agent.cutting.encode.clip_frames import ClipFrames
from agent.cutting.encode.encoder_options import Means, compiled, encoding, finished, name_option
from agent.cutting.encode.filters import FilterStream, Options, seconds
from agent.cutting.encode.rate_control import Rates
from agent.cutting.encode.section_arguments import NOTHING_DRAWN, Drawn, encoded, input_options
from agent.cutting.encode.sidecars import Beside
from agent.cutting.encode.video_filters import video_filters
from agent.cutting.formats.containers import MATROSKA, language_for, subtitles_as
from agent.cutting.formats.media import AudioInfo, MediaInfo, StreamInfo
from agent.cutting.plan.extent import LONGEST_USUAL, MOST_AUDIO_OFF
from agent.cutting.plan.plan import Plan, Subtitle
from agent.cutting.plan.spec import CutSpec
from agent.cutting.plan.speed import Speed
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import url
from agent.cutting.writing.text_track import TRACK

_AUDIO_RATES = frozenset({44_100, 48_000})
_AUDIO_RATE = 48_000
_MOST_TEXT = 1000
"""Characters of a title that are kept: the kernel limits the size of a process's arguments."""
_JOINED: Options = {
    "f": "mov",
    "protocol_whitelist": "file",
    "copyts": None,
    # Its end is in milliseconds, which may cut off a frame; `_FROM_ZERO` does what it is for.
    "ignore_editlist": 1,
}
_FROM_ZERO = "pts=PTS-STARTPTS:dts=DTS-STARTPTS"
_SHORT_STRETCH = Fraction(1, 5)
"""Seconds: `atempo` may fail on less, as that is what it compares at once."""
_AAC_CHANNELS = frozenset({1, 2, 3, 4, 5, 6, 8})


def encode_arguments(
    means: Means,
    recording: str,
    info: MediaInfo,
    plan: Plan,
    frames: Frames,
    target: Path,
    beside: Beside,
    spec: CutSpec,
    rates: Rates,
    *,
    from_start: bool,
    gaps: bool = False,
    joined: Path | None = None,
    drawn: Drawn = NOTHING_DRAWN,
) -> list[str]:
    """The command line that makes a clip.

    `recording`: what ffmpeg reads, see `source.url_of`. `gaps`: even the first frame may be missing.
    `from_start`: decode it from its beginning, for streams that can't be entered in their middle.
    `joined`: the clip's video, which `joining.join` has written; it is copied. Else it is encoded, with
    `drawn` over it; effects that are computed for each frame, and changes of speed, need it `joined`.
    """
    assert plan.video_stream.video is not None
    clip = ClipFrames.of(plan, frames, spec)
    source = ffmpeg.input(recording, **input_options(info, frames, from_start=from_start))
    if joined is None:
        video = video_filters(
            source["V:0"],
            plan.video_stream.video,
            plan.video_stream.time_base,
            frames,
            spec,
            means,
            gaps=gaps,
        )
        video = finished(drawn.on(video), means.encoder)
    else:
        video = joined_video(joined)
    audio = [audio_filters(source[f"a:{t.position}"], t.source, frames, clip.speed) for t in plan.tracks]
    files = [(beside.subtitles, "matroska"), (beside.captions, "mov" if plan.container.boxed else "matroska")]
    texts = [ffmpeg.input(url(path), f=kind)["s"] for path, kind in files if path is not None]
    inputs = len(texts) + int(joined is None or bool(audio)) + (drawn.inputs if joined is None else 1)
    tags = plan.header(frames.start).tags
    options: Options = {
        **({"c:v": "copy"} if joined is not None else encoded(means, plan, spec, rates, clip)),
        # No "t": ffmpeg 5.1 then ends the audio as soon as the video is complete.
        "map_chapters": -1 if beside.chapters is None else inputs,
        # Said for each: for all at once it would take the chapters' titles too.
        "map_metadata:g": -1,
        "map_metadata:s": -1,
        "f": plan.container.muxer,
    }
    if joined is not None:
        options["bsf:v"] = _joined_lengths(_last(frames, clip))
    elif clip.rate is None and (frames.held or frames.longest > LONGEST_USUAL):
        options["bsf:v"] = _lengths(_last(frames, clip))
    if plan.container.boxed:
        options |= boxed_options(chapters=beside.chapters is not None)
        options["write_tmcd"] = int("timecode" in tags)
        options |= name_option(means.encoder)
    else:
        # ffmpeg 5.1 would show the first frame later, by the 21 ms that AAC begins before 0.
        options["avoid_negative_ts"] = "disabled"
    if audio:
        options |= {"c:a": "aac", "b:a": rates.audio}
    options |= {f"c:s:{n}": _subtitles(s) for n, s in enumerate(plan.subtitles)}
    if beside.captions is not None:
        options[f"c:s:{len(plan.subtitles)}"] = "copy"
    options |= _dispositions(plan)
    output = ffmpeg.output(video, *audio, *texts, url(target), **options)
    command = encoding(means, output) if joined is None else compiled(means.program, output)
    # The binding passes no option twice, and only inputs of which a stream is used.
    at = command.index(url(target))
    command[at:at] = _descriptions(plan, tags)
    return command if beside.chapters is None else with_chapters(command, beside.chapters)


def boxed_options(*, chapters: bool) -> Options:
    """The options of an MP4 or MOV."""
    # ffmpeg 9 would count in the least common multiple of all tracks' ticks, which may be too large for the
    # track of the chapters: that is then missing.
    return {"movflags": "+faststart", **({"movie_timescale": _AUDIO_RATE} if chapters else {})}


def with_chapters(command: list[str], chapters: Path) -> list[str]:
    """The command with a file of chapters as its last input."""
    behind = len(command) - command[::-1].index("-i") + 1
    return [*command[:behind], "-f", "ffmetadata", "-i", url(chapters), *command[behind:]]


def _subtitles(subtitle: Subtitle) -> str:
    return "copy" if subtitle.codec == subtitles_as(MATROSKA, subtitle.source.codec) else subtitle.codec


@dataclass(frozen=True)
class _Last:
    """The end of a clip, in its own time, in seconds."""

    at: Fraction
    """When the last frame is shown."""
    shown: Fraction
    """For how long."""
    usual: Fraction
    """For how long other frames are shown."""
    shortest: Fraction
    frames: int


def _last(frames: Frames, clip: ClipFrames) -> _Last:
    rate, count = clip.rate, clip.count
    if rate is not None:
        return _Last((count - 1) / rate, 1 / rate, 1 / rate, 1 / rate, count)
    at, shown = frames.last - frames.start, frames.end - frames.last
    return _Last(at, shown, frames.usual, frames.shortest, count)


def joined_video(path: Path) -> FilterStream:
    """The video that `joining.join` has written, to be copied."""
    video: FilterStream = ffmpeg.input(url(path), **_JOINED)["v:0"]
    return video


def joined_from_zero() -> str:
    """The filter that has such a video begin at 0."""
    return f"setts={_FROM_ZERO}"


def _joined_lengths(last: _Last) -> str:
    """As `_lengths`, for such a video; it then begins at 0."""
    if last.at == (last.frames - 1) * last.usual and last.shown == last.usual == last.shortest:
        # It has these lengths. In Matroska, ffmpeg 5.1 takes seconds/TB for milliseconds.
        return joined_from_zero()
    return _lengths(last, shown="(PTS-STARTPTS)", times=_FROM_ZERO)


def _lengths(last: _Last, *, shown: str = "PTS", times: str = "pts=PTS:dts=DTS") -> str:
    """The filter that says how long frames are shown. Where they stand for long, a decoder gives the length
    of one to another when frames are reordered.

    A muxer takes a stream's length from the last packet, and its end from the one shown last.
    `shown`: when a packet's frame is; `times`: the times of the packets.
    """
    ends = f"gte({shown}*TB,{seconds(last.at - last.shortest / 4)})+eq(N,{last.frames - 1})"
    return f"setts={times}:duration='if({ends},{seconds(last.shown)},{seconds(last.usual)})/TB'"


def audio_filters(
    stream: FilterStream, source: StreamInfo, frames: Frames, speed: Speed | None
) -> FilterStream:
    """The audio of a range, beginning with its first frame; `speed`: where it changes."""
    start, end = seconds(frames.start), seconds(frames.end)
    stream = stream.filter("atrim", start=start, end=end).filter("asetpts", f"round(PTS-{start}/TB)")
    options = {"async": 1, "first_pts": 0, "min_hard_comp": MOST_AUDIO_OFF}
    known = source.audio or AudioInfo(_AUDIO_RATE, 2)
    rate = known.sample_rate if known.sample_rate in _AUDIO_RATES else _AUDIO_RATE
    stream = stream.filter("aresample", rate, **options)
    if known.channels not in _AAC_CHANNELS:
        stream = stream.filter("aformat", channel_layouts="stereo")
    return stream if speed is None else _at_speed(stream, speed, rate)


def _at_speed(stream: FilterStream, speed: Speed, rate: int) -> FilterStream:
    """Audio that changes its speed and keeps its pitch; a stretch is as long as its video to the sample."""
    # What ends early is silent to the end: no stretch is empty.
    copies = stream.filter("apad").filter("atrim", end=seconds(speed.stretches[-1].end)).asplit()
    parts = []
    for number, (stretch, samples) in enumerate(zip(speed.stretches, speed.samples(rate), strict=True)):
        part = copies[number].filter("atrim", start=seconds(stretch.start), end=seconds(stretch.end))
        part = part.filter("asetpts", "PTS-STARTPTS")
        if stretch.end - stretch.start < _SHORT_STRETCH:
            part = part.filter("apad", pad_dur=1)
        for tempo in tempos(stretch.speed):
            part = part.filter("atempo", float(tempo))
        part = part.filter("apad").filter("atrim", end_sample=samples)
        # `atempo` returns nothing for less than 40 ms, and `apad` then does not know the time.
        parts.append(part.filter("asetpts", "N/SR/TB"))
    joined: FilterStream = ffmpeg.concat(*parts, v=0, a=1)
    return joined


def tempos(speed: Fraction) -> list[Fraction]:
    """The factors that make up a speed, each from 1/2 to 2: within these `atempo` loses no quality."""
    found = []
    while not Fraction(1, 2) <= speed <= 2:
        factor = Fraction(2) if speed > 1 else Fraction(1, 2)
        found.append(factor)
        speed /= factor
    return [*found, speed] if speed != 1 else found


def _streams(plan: Plan) -> dict[str, StreamInfo]:
    """By the names that ffmpeg has for them in the clip."""
    texts = [subtitle.source for subtitle in plan.subtitles] + [TRACK] * bool(plan.captions)
    return {
        "v:0": plan.video_stream,
        **{f"a:{n}": track.source for n, track in enumerate(plan.tracks)},
        **{f"s:{n}": stream for n, stream in enumerate(texts)},
    }


def _dispositions(plan: Plan) -> dict[str, str]:
    return {f"disposition:{n}": "default" if s.default else "0" for n, s in _streams(plan).items()}


def _descriptions(plan: Plan, tags: Mapping[str, str]) -> list[str]:
    found = [("-metadata", name, value) for name, value in tags.items()]
    for name, stream in _streams(plan).items():
        language = stream.language and language_for(plan.container, stream.language)
        pairs = [("language", language), ("title", stream.title)]
        found += [(f"-metadata:s:{name}", key, value) for key, value in pairs if value]
    return [argument for option, key, value in found for argument in (option, f"{key}={value[:_MOST_TEXT]}")]
