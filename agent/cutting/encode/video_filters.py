"""ffmpeg's filters for the video of an encode: which frames, when they are shown, their colours. Pure."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from agent.cutting.effects.frame_effects import whole_window
from agent.cutting.encode.clip_frames import frames_of_rate
from agent.cutting.encode.encoder_options import Means
from agent.cutting.encode.filters import FilterStream, Options, seconds
from agent.cutting.encode.reshape import cropped, shaped
from agent.cutting.formats.media import VideoInfo
from agent.cutting.plan.spec import CutSpec
from agent.cutting.plan.speed import Speed
from agent.cutting.reading.frames import Frames
from clipping.contract.output import AS_IS

_BT709, _UNSPECIFIED = 1, 2
_HD_LINES = 720


@dataclass(frozen=True)
class Section:
    """The frames of one segment of a clip."""

    whole: Frames
    """Those of the clip."""
    part: Frames
    """Those of the segment."""

    def before(self, rate: Fraction | None) -> int:
        """How many frames of the clip come before them. `rate`: the clip's, None for the recording's own."""
        if rate is None:
            return bisect_left(self.whole.shown, self.part.shown[0])
        return _rounded((self.part.start - self.whole.start) * rate)

    def count(self, rate: Fraction | None) -> int:
        """How many frames of the clip they are. `rate`: as `before`."""
        if rate is None:
            return self.part.count
        is_last = self.part.shown[-1] == self.whole.shown[-1]
        end = (self.part.end - self.whole.start) * rate
        stop = frames_of_rate(self.whole.end - self.whole.start, rate) if is_last else _rounded(end)
        return stop - self.before(rate)

    def cut_out(self, stream: FilterStream, rate: Fraction | None) -> FilterStream:
        """These frames, from 0 on, of a stream that has the clip's times and perhaps further frames."""
        if rate is not None:
            stream = _at_rate(stream, rate, self.before(rate), self.count(rate))
        else:
            shift = self.whole.start + self.whole.shortest / 4
            begin, end = seconds(self.part.start - shift), seconds(self.part.end - shift)
            stream = stream.filter("trim", start=begin, end=end)
        return stream.filter("setpts", "PTS-STARTPTS")


def _rounded(frames: Fraction) -> int:
    """As ffmpeg's `fps` rounds times."""
    return floor(frames + Fraction(1, 2))


def video_filters(
    stream: FilterStream,
    video: VideoInfo,
    time_base: Fraction,
    frames: Frames,
    spec: CutSpec,
    means: Means,
    *,
    gaps: bool,
    section: Section | None = None,
) -> FilterStream:
    """The video as the clip shows it, without title and at its own speed: `frames` of the decoded `stream`,
    or of these those of `section`.

    `gaps`: even the first of them may be missing.
    """
    stream = selected(stream, video, time_base, frames, spec, gaps=gaps, section=section)
    stream, colours = _toned(stream, video, means)
    window = whole_window(spec.effects, video)
    if window is not None and spec.effects.framing is not None:
        return cropped(stream, window, spec.effects.framing.target, colours)
    return shaped(stream, spec.output, colours)


def decoded_filters(
    stream: FilterStream,
    video: VideoInfo,
    time_base: Fraction,
    frames: Frames,
    spec: CutSpec,
    means: Means,
    *,
    gaps: bool,
    section: Section,
) -> FilterStream:
    """The frames that effects are applied to: as `video_filters`, in the recording's own shape."""
    stream = selected(stream, video, time_base, frames, spec, gaps=gaps, section=section)
    stream, colours = _toned(stream, video, means)
    return shaped(stream, AS_IS, colours)


def selected(
    stream: FilterStream,
    video: VideoInfo,
    time_base: Fraction,
    frames: Frames,
    spec: CutSpec,
    *,
    gaps: bool,
    section: Section | None,
) -> FilterStream:
    """The frames of the clip, with its times."""
    quarter = frames.shortest / 4
    stream = stream.filter("trim", start=seconds(frames.first - quarter), end=seconds(frames.end - quarter))
    if gaps:
        # Behind damage there may be frames with times that go backward, which encoders don't put up with.
        stream = stream.filter("select", "isnan(prev_selected_t)+gt(t,prev_selected_t)")
    begin = Fraction(0) if section is None else frames.start - section.whole.start
    times = _clip_times(frames, time_base, begin, gaps=gaps)
    if gaps and section is not None:
        times = f"if(eq(N,0),0,{times})"  # a segment's first frame is shown from its start
    stream = stream.filter("setpts", times)
    if video.interlaced:
        stream = stream.filter("bwdif", mode="send_frame")
    # Where the speed changes, the clip's rate comes after it.
    rate = None if spec.effects.segments else spec.output.rate
    if section is not None:
        return section.cut_out(stream, rate)
    if rate is not None:
        return _at_rate(stream, rate, 0, frames_of_rate(frames.end - frames.start, rate))
    return stream


def _toned(stream: FilterStream, video: VideoInfo, means: Means) -> tuple[FilterStream, Options]:
    """The stream, and the options with which `scale` gives it ordinary colours."""
    if not means.tone_maps(video):
        return stream, _colours(video)
    for name, options in _tone_map(video):
        stream = stream.filter(name, **options)
    return stream, {}


def drawn_over(
    stream: FilterStream, image: FilterStream, at: tuple[int, int], **options: object
) -> FilterStream:
    """The video with PNG images drawn over it. `at`: their top left corner; `options`: of `overlay`."""
    # Without this, ffmpeg 5.1 converts the colours of PNG by another matrix.
    image = image.filter("scale", out_color_matrix="bt709", out_range="tv").filter("format", "yuva420p")
    drawn = stream.overlay(image, x=at[0], y=at[1], format="yuv420", **options)
    return drawn.filter("format", "yuv420p")


def retimed(stream: FilterStream, speed: Speed, rate: Fraction, count: int) -> FilterStream:
    """The video with changed speed, as `count` frames of one rate."""
    # A hundredth of a frame later: what is shown exactly between two frames is not rounded by chance.
    late = seconds(1 / rate / 100)
    stream = stream.filter("settb", "AVTB").filter("setpts", f"({speed.expression('T')}+{late})/TB")
    return _at_rate(stream, rate, 0, count)


def _at_rate(stream: FilterStream, rate: Fraction, begin: int, count: int) -> FilterStream:
    """The frames of the clip at another rate: `count` from number `begin` on."""
    at = {"start_time": seconds(begin / rate)} if begin else {}
    stream = stream.filter("fps", fps=f"{rate.numerator}/{rate.denominator}", **at)
    # What ffmpeg makes of the end differs by version: the last frame stays, and the count decides.
    stream = stream.filter("tpad", stop=-1, stop_mode="clone")
    return stream.filter("trim", end_frame=count)


def _clip_times(frames: Frames, time_base: Fraction, begin: Fraction, *, gaps: bool) -> str:
    """The expression for when a frame is shown in the clip; `begin`: when the first of these is."""
    if gaps:
        return f"max(0,PTS-{round(frames.start / time_base)})"
    hidden = round((frames.start - frames.first - begin) / time_base)
    if hidden < 0:
        return f"PTS-STARTPTS+{-hidden}"
    # A frame that stands at the in-point is shown from there on.
    return f"if(eq(N,0),0,PTS-STARTPTS-{hidden})" if hidden > 0 else "PTS-STARTPTS"


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
