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
from math import floor
from pathlib import Path

import ffmpeg

from agent.cutting.encode.filters import FilterStream, Options
from agent.cutting.encode.rate_control import Rates, refined
from agent.cutting.encode.reshape import shaped
from agent.cutting.encode.sidecars import Beside
from agent.cutting.formats.containers import MATROSKA, language_for, subtitles_as
from agent.cutting.formats.media import AudioInfo, MediaInfo, StreamInfo, VideoInfo
from agent.cutting.plan.encoders import EncoderName, video_arguments
from agent.cutting.plan.extent import LONGEST_USUAL
from agent.cutting.plan.plan import Plan, Subtitle
from agent.cutting.plan.spec import CutSpec
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import DEMUXERS, PROTOCOLS, decoder_options, url

_MARGIN = Fraction(15)
"""Seconds before the range to read from where no keyframe is known."""
_IMPRECISE = frozenset({"mpegts", "mpeg"})
_IMPRECISE_SECONDS = Fraction(2)
"""Seeking in these lands after the requested keyframe."""
_BT709, _UNSPECIFIED, _RGB = 1, 2, 0
_HD_LINES = 720
_AUDIO_RATES = frozenset({44_100, 48_000})
_AUDIO_RATE = 48_000
_MOST_TEXT = 1000
"""Characters of a title that are kept: the kernel limits the size of a process's arguments."""
_AAC_CHANNELS = frozenset({1, 2, 3, 4, 5, 6, 8})


@dataclass(frozen=True)
class Means:
    """What an encode is made with."""

    program: Path
    encoder: EncoderName
    filters: frozenset[str]
    """Those that this ffmpeg has."""

    def tone_maps(self, video: VideoInfo) -> bool:
        """Whether HDR colours become ordinary ones, not just pale."""
        return video.hdr and {"zscale", "tonemap"} <= self.filters


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
) -> list[str]:
    """The whole command line.

    `recording`: what ffmpeg reads, see `source.url_of`. `gaps`: even the first frame may be missing.
    `from_start`: decode it from its beginning, for streams that can't be entered in their middle.
    """
    assert plan.video_stream.video is not None
    source = ffmpeg.input(recording, **_input_options(info, frames, from_start=from_start))
    video = _video(
        source["V:0"], plan.video_stream.video, plan.video_stream.time_base, frames, spec, means, gaps=gaps
    )
    audio = [_audio(source[f"a:{t.position}"], t.source, frames) for t in plan.tracks]
    texts = [] if beside.subtitles is None else [ffmpeg.input(url(beside.subtitles), f="matroska")["s"]]
    rate = spec.output.rate
    time_base = plan.video_stream.time_base if rate is None else 1 / rate
    options: Options = {
        **video_arguments(means.encoder, spec.quality, refined=refined(spec.output), cap=rates.cap),
        "fps_mode": "passthrough",
        # The recording's own, named: "-1" meant it until ffmpeg 6 and is an error in 9. Audio keeps samples.
        "enc_time_base:v": f"{time_base.numerator}:{time_base.denominator}",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "colorspace": "bt709",
        "color_range": "tv",
        # No "t": ffmpeg 5.1 then ends the audio as soon as the video is complete.
        "map_chapters": -1 if beside.chapters is None else 1 + len(texts),
        # Said for each: for all at once it would take the chapters' titles too.
        "map_metadata:g": -1,
        "map_metadata:s": -1,
        "f": plan.container.muxer,
    }
    tags = plan.header(frames.start).tags
    if rate is None and (frames.held or frames.longest > LONGEST_USUAL):
        options["bsf:v"] = _lengths(frames)
    if plan.container.boxed:
        options["movflags"] = "+faststart"
        options["write_tmcd"] = int("timecode" in tags)
        if means.encoder == "libx265":
            options["tag:v"] = "hvc1"  # the name that Apple's players want
    else:
        # ffmpeg 5.1 would show the first frame later, by the 21 ms that AAC begins before 0.
        options["avoid_negative_ts"] = "disabled"
    if audio:
        options |= {"c:a": "aac", "b:a": rates.audio}
    options |= {f"c:s:{n}": _subtitles(s) for n, s in enumerate(plan.subtitles)}
    options |= _dispositions(plan)
    output = ffmpeg.output(video, *audio, *texts, url(target), **options)
    output = output.global_args("-nostdin", "-v", "error", "-progress", "pipe:1", "-stats_period", "0.5")
    command: list[str] = ffmpeg.compile(output, cmd=str(means.program), overwrite_output=True)
    # The binding passes no option twice, and only inputs of which a stream is used.
    at = command.index(url(target))
    command[at:at] = _descriptions(plan, tags)
    if beside.chapters is not None:
        behind = len(command) - command[::-1].index("-i") + 1
        command[behind:behind] = ["-f", "ffmetadata", "-i", url(beside.chapters)]
    return command


def _subtitles(subtitle: Subtitle) -> str:
    return "copy" if subtitle.codec == subtitles_as(MATROSKA, subtitle.source.codec) else subtitle.codec


def frames_of_rate(frames: Frames, rate: Fraction) -> int:
    """How many frames the range has at another rate."""
    return max(1, round((frames.end - frames.start) * rate))


def _input_options(info: MediaInfo, frames: Frames, *, from_start: bool) -> Options:
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
        "ss": _seconds(Fraction(microseconds, 1_000_000)),
    }


def _video(
    stream: FilterStream,
    video: VideoInfo,
    time_base: Fraction,
    frames: Frames,
    spec: CutSpec,
    means: Means,
    *,
    gaps: bool,
) -> FilterStream:
    quarter = frames.shortest / 4
    stream = stream.filter("trim", start=_seconds(frames.first - quarter), end=_seconds(frames.end - quarter))
    if gaps:
        # Behind damage there may be frames with times that go backward, which encoders don't put up with.
        stream = stream.filter("select", "isnan(prev_selected_t)+gt(t,prev_selected_t)")
    stream = stream.filter("setpts", _clip_times(frames, time_base, gaps=gaps))
    if video.interlaced:
        stream = stream.filter("bwdif", mode="send_frame")
    rate = spec.output.rate
    if rate is not None:
        # What ffmpeg makes of the end differs by version: the last frame stays, and the count decides.
        stream = stream.filter("fps", fps=f"{rate.numerator}/{rate.denominator}")
        stream = stream.filter("tpad", stop=-1, stop_mode="clone")
        stream = stream.filter("trim", end_frame=frames_of_rate(frames, rate))
    if means.tone_maps(video):
        for name, options in _tone_map(video):
            stream = stream.filter(name, **options)
        return shaped(stream, spec.output, {})
    return shaped(stream, spec.output, _colours(video))


def _clip_times(frames: Frames, time_base: Fraction, *, gaps: bool) -> str:
    """The expression for when a frame is shown in the clip."""
    if gaps:
        return f"max(0,PTS-{round(frames.start / time_base)})"
    hidden = round((frames.start - frames.first) / time_base)
    # A frame that stands at the in-point is shown from there on.
    return f"if(eq(N,0),0,PTS-STARTPTS-{hidden})" if hidden > 0 else "PTS-STARTPTS"


def _lengths(frames: Frames) -> str:
    """The filter that says how long frames are shown. Where they stand for long, a decoder gives the length
    of one to another when frames are reordered.

    A muxer takes a stream's length from the last packet, and its end from the one shown last.
    """
    last = (
        f"gte(PTS*TB,{_seconds(frames.last - frames.start - frames.shortest / 4)})+eq(N,{frames.count - 1})"
    )
    lengths = f"if({last},{_seconds(frames.end - frames.last)},{_seconds(frames.usual)})"
    return f"setts=pts=PTS:dts=DTS:duration='{lengths}/TB'"


def _tone_map(video: VideoInfo) -> list[tuple[str, Options]]:
    # zscale refuses to guess what is not tagged, while HDR has only one kind of primaries.
    assumed: Options = {}
    if video.color_primaries == _UNSPECIFIED:
        assumed["color_primaries"] = "bt2020"
    if video.color_space == _UNSPECIFIED:
        assumed["colorspace"] = "bt2020nc"
    return [
        *([("setparams", assumed)] if assumed else []),
        ("zscale", {"t": "linear", "npl": 100}),
        ("format", {"pix_fmts": "gbrpf32le"}),
        ("zscale", {"p": "bt709"}),
        ("tonemap", {"tonemap": "hable"}),
        ("zscale", {"t": "bt709", "m": "bt709", "r": "tv"}),
    ]


def _colours(video: VideoInfo) -> Options:
    """What `scale` needs to give BT.709 colours of limited range."""
    options: Options = {"out_range": "tv"}
    if not _is_bt709(video):
        options["out_color_matrix"] = "bt709"
        if video.color_space == _UNSPECIFIED:
            options["in_color_matrix"] = "bt601"
    elif video.color_space == _UNSPECIFIED:
        options |= {"in_color_matrix": "bt709", "out_color_matrix": "bt709"}
    return options


def _is_bt709(video: VideoInfo) -> bool:
    """Untagged high definition is BT.709 by convention, untagged standard definition is BT.601."""
    if video.color_space == _UNSPECIFIED:
        return video.height >= _HD_LINES
    return video.color_space == _BT709


def _audio(stream: FilterStream, source: StreamInfo, frames: Frames) -> FilterStream:
    start, end = _seconds(frames.start), _seconds(frames.end)
    stream = stream.filter("atrim", start=start, end=end).filter("asetpts", f"round(PTS-{start}/TB)")
    options = {"async": 1, "first_pts": 0}
    known = source.audio or AudioInfo(_AUDIO_RATE, 2)
    rate = known.sample_rate if known.sample_rate in _AUDIO_RATES else _AUDIO_RATE
    stream = stream.filter("aresample", rate, **options)
    if known.channels not in _AAC_CHANNELS:
        stream = stream.filter("aformat", channel_layouts="stereo")
    return stream


def _streams(plan: Plan) -> dict[str, StreamInfo]:
    """By the names that ffmpeg has for them in the clip."""
    return {
        "v:0": plan.video_stream,
        **{f"a:{n}": track.source for n, track in enumerate(plan.tracks)},
        **{f"s:{n}": subtitle.source for n, subtitle in enumerate(plan.subtitles)},
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


def _seconds(value: Fraction) -> str:
    """A decimal number with nanoseconds; ffmpeg reads no fractions."""
    nanoseconds = round(value * 1_000_000_000)
    sign, whole = ("-" if nanoseconds < 0 else ""), abs(nanoseconds)
    return f"{sign}{whole // 1_000_000_000}.{whole % 1_000_000_000:09d}"
