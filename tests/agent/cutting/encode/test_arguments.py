"""ffmpeg's command line for an encode: read as a list, and once by ffmpeg itself."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cutting import find_ffmpeg
from agent.cutting.encode.arguments import encode_arguments
from agent.cutting.encode.clip_frames import frames_of_rate
from agent.cutting.encode.encoder_options import Means
from agent.cutting.encode.rate_control import Rates
from agent.cutting.encode.sidecars import Beside
from agent.cutting.formats.media import AudioInfo, MediaInfo
from agent.cutting.plan.encoders import EncoderName, RateCap
from agent.cutting.plan.plan import plan_cut
from agent.cutting.plan.spec import CutSpec
from agent.cutting.reading.frames import Frames
from agent.cutting.reading.source import url
from clipping.contract.output import Output
from tests.agent.cutting.plan.test_plan import VIDEO, recording, stream
from tests.support.media import Recording, make, numbers

FRAME = Fraction(1, 25)
ZERO = Fraction(10)
"""Where `recording` of the plan's tests begins."""
NO_FILES = Beside(None, None)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=30)
TICKS = st.integers(0, 10**8).map(lambda ticks: Fraction(ticks, 90_000))


def frames_of(start: Fraction = ZERO + 1, count: int = 25, **more: Any) -> Frames:
    """`count` frames at 25 a second from `start` on."""
    plain = Frames(
        first=start,
        start=start,
        last=start + (count - 1) * FRAME,
        end=start + count * FRAME,
        held=False,
        count=count,
        shortest=FRAME,
        longest=FRAME,
        usual=FRAME,
        entry=start,
        audio_ends={},
    )
    return replace(plain, **more)


def command_of(
    *,
    source: str = "file:/nas/game.ts",
    info: MediaInfo | None = None,
    frames: Frames | None = None,
    target: Path = Path("/spool/clip.mp4"),
    beside: Beside = NO_FILES,
    encoder: EncoderName = "libx264",
    filters: frozenset[str] = frozenset(),
    cap: RateCap | None = None,
    from_start: bool = False,
    gaps: bool = False,
    gpu: int | None = None,
    keyframes: tuple[Fraction, ...] = (),
    **output: Any,
) -> list[str]:
    info = info or recording()
    spec = CutSpec(
        Path("/nas/game.ts"),
        Fraction(1),
        Fraction(2),
        "encode",
        "high",
        Output(**output),
        keyframes=keyframes,
    )
    return encode_arguments(
        Means(find_ffmpeg(None), encoder, filters, gpu=gpu),
        source,
        info,
        plan_cut(info, spec, "encode"),
        frames or frames_of(),
        target,
        beside,
        spec,
        Rates(cap, 128_000),
        from_start=from_start,
        gaps=gaps,
    )


FLAGS = {"-copyts", "-noaccurate_seek", "-nostdin", "-y"}


def sections(command: list[str]) -> list[list[tuple[str, str]]]:
    """Options and values of each input, then of the output with what goes for all; ends with its file."""
    found: list[list[tuple[str, str]]] = [[]]
    rest = iter(command[1:])
    for argument in rest:
        if argument in FLAGS:
            found[-1].append((argument, ""))
        elif argument.startswith("-"):
            found[-1].append((argument, next(rest)))
            if argument == "-i":
                found.append([])
        else:
            found[-1].append(("file", argument))
    return found


def output_of(command: list[str]) -> dict[str, str]:
    return dict(sections(command)[-1])


def filters_of(command: list[str]) -> str:
    return output_of(command)["-filter_complex"]


def streams(*audio_streams: AudioInfo, **video: Any) -> MediaInfo:
    return recording(
        stream(0, "video", "h264", video=replace(VIDEO, **video)),
        *(stream(1 + n, "audio", "aac", audio=audio) for n, audio in enumerate(audio_streams)),
    )


@settings(max_examples=25, deadline=None)
@given(
    encoder=st.sampled_from(get_args(EncoderName)),
    container=st.sampled_from(["mp4", "mov", "mkv"]),
    shape=st.sampled_from([{}, {"aspect": "9:16"}, {"aspect": "1:1", "fit": "blur"}, {"fps": 30.0}]),
    cap=st.sampled_from([None, RateCap(1_000_000, 2_000_000)]),
    tracks=st.integers(0, 3),
    texts=st.integers(0, 2),
    from_start=st.booleans(),
    held=st.booleans(),
    chapters=st.booleans(),
)
def test_every_option_is_given_once(
    encoder: EncoderName,
    container: str,
    shape: dict[str, Any],
    cap: RateCap | None,
    tracks: int,
    texts: int,
    from_start: bool,
    held: bool,
    chapters: bool,
) -> None:
    said = {"language": "deu", "title": "t"}
    audio_streams = [stream(1 + n, "audio", "aac", **said) for n in range(tracks)]
    cues = [stream(9 + n, "subtitle", "subrip", **said) for n in range(texts)]
    command = command_of(
        info=recording(stream(0, "video", "h264"), *audio_streams, *cues),
        frames=frames_of(held=held),
        beside=Beside(Path("s") if texts else None, Path("c") if chapters else None),
        encoder=encoder,
        cap=cap,
        from_start=from_start,
        container=container,
        **shape,
    )
    parts = sections(command)
    assert len(parts) == 2 + bool(texts) + chapters
    for part in parts:
        # -map and the metadata of a stream are lists; of these, no entry comes twice.
        entries = Counter(
            (option, value.partition("=")[0] if option.startswith("-metadata") else value)
            if option.startswith(("-map", "-metadata"))
            else (option, "")
            for option, value in part
        )
        assert set(entries.values()) == {1}, entries
    maps = [value for option, value in parts[-1] if option == "-map"]
    assert len(maps) == 1 + tracks + bool(texts)
    of_streams = {option for option, _ in parts[-1] if option.startswith("-disposition")}
    assert len(of_streams) == 1 + tracks + texts
    assert parts[-1].index(("file", "file:/spool/clip.mp4")) > max(
        n for n, (option, _) in enumerate(parts[-1]) if option.startswith(("-metadata", "-c:", "-map"))
    )


@settings(max_examples=25, deadline=None)
@given(title=TEXT, language=TEXT, name=TEXT.filter(lambda text: "/" not in text))
def test_text_of_the_recording_and_of_paths_stays_in_its_own_argument(
    title: str, language: str, name: str
) -> None:
    said = {"title": title, "language": language}
    plain = command_of(info=recording(stream(0, "video", "h264"), stream(1, "audio", "aac")))
    command = command_of(
        info=recording(stream(0, "video", "h264", **said), stream(1, "audio", "aac", **said)),
        source=url(Path("/nas") / name),
        target=Path("/spool") / name,
    )
    of_streams = [
        ("-metadata:s:v:0", f"language={language}"),
        ("-metadata:s:v:0", f"title={title}"),
        ("-metadata:s:a:0", f"language={language}"),
        ("-metadata:s:a:0", f"title={title}"),
    ]
    at = command.index("-metadata:s:v:0")
    assert command[at : at + 8] == [argument for pair in of_streams for argument in pair]
    rest = [*command[:at], *command[at + 8 :]]
    assert [argument for argument in rest if argument not in plain] == [
        f"file:/nas/{name}",
        f"file:/spool/{name}",
    ]
    assert filters_of(command) == filters_of(plain)


@settings(max_examples=25, deadline=None)
@given(
    start=TICKS, count=st.integers(1, 10_000), fps=st.sampled_from([24, 25, 50, 120]), hidden=st.booleans()
)
def test_the_trim_lies_between_frames(start: Fraction, count: int, fps: int, hidden: bool) -> None:
    frame = Fraction(1, fps)
    first = start - frame * 3 if hidden else start
    last = start + (count - 1) * frame
    frames = frames_of(start, first=first, last=last, end=last + frame, count=count, shortest=frame)
    command = command_of(frames=frames, info=streams(AudioInfo(48_000, 2)))
    trim = re.search(r"\[0:V:0\]trim=end=([\d.-]+):start=([\d.-]+)\[", filters_of(command))
    assert trim
    assert first - frame < Fraction(trim[2]) < first
    assert last < Fraction(trim[1]) < last + frame
    trim = re.search(r"atrim=end=([\d.-]+):start=([\d.-]+)\[", filters_of(command))
    assert trim
    assert abs(Fraction(trim[2]) - start) <= Fraction(1, 10**9)
    assert abs(Fraction(trim[1]) - frames.end) <= Fraction(1, 10**9)


@settings(max_examples=25, deadline=None)
@given(entry=TICKS, demuxer=st.sampled_from(["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg"]))
def test_reading_begins_at_the_keyframe_or_before_it(entry: Fraction, demuxer: str) -> None:
    info = replace(recording(), container=demuxer)
    (source, _) = sections(command_of(info=info, frames=frames_of(entry + 1, entry=entry)))
    options = dict(source)
    early = 2 if demuxer in ("mpegts", "mpeg") else 0
    assert 0 < Fraction(options["-ss"]) - (entry - early) <= Fraction(1, 10**6)
    assert options["-f"] == demuxer.split(",")[0]
    assert "-noaccurate_seek" in options


def test_without_a_keyframe_reading_begins_well_before_the_range() -> None:
    (source, _) = sections(command_of(frames=frames_of(Fraction(100), entry=None)))
    assert Fraction(dict(source)["-ss"]) <= 100 - 15


def test_from_the_start_nothing_is_sought() -> None:
    (source, _) = sections(command_of(from_start=True))
    assert not {"-ss", "-seek_timestamp", "-noaccurate_seek"} & {option for option, _ in source}
    assert "-copyts" in dict(source)


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 5000), rate=st.fractions(1, 120, max_denominator=1001))
def test_another_rate_changes_the_length_by_half_a_frame_at_most(count: int, rate: Fraction) -> None:
    found = frames_of_rate(count * FRAME, rate)
    assert found >= 1
    assert found == 1 or abs(found / rate - count * FRAME) <= 1 / rate / 2


def test_another_rate_is_exact_and_ends_after_the_frames_it_has() -> None:
    filters = filters_of(command_of(fps=29.97, frames=frames_of(count=50)))
    assert "fps=fps=30000/1001" in filters
    assert "trim=end_frame=60" in filters
    assert output_of(command_of(fps=29.97))["-enc_time_base:v"] == "1001:30000"
    assert output_of(command_of())["-enc_time_base:v"] == "1:90000"


@pytest.mark.parametrize(
    ("audio", "rate", "stereo"),
    [
        (AudioInfo(44_100, 2), 44_100, False),
        (AudioInfo(48_000, 6), 48_000, False),
        (AudioInfo(22_050, 1), 48_000, False),
        (AudioInfo(96_000, 7), 48_000, True),
        (AudioInfo(48_000, 16), 48_000, True),
    ],
)
def test_audio_gets_a_rate_and_channels_that_players_support(
    audio: AudioInfo, rate: int, stereo: bool
) -> None:
    filters = filters_of(command_of(info=streams(audio)))
    assert f"aresample={rate}:" in filters
    assert ("channel_layouts=stereo" in filters) is stereo


@pytest.mark.parametrize(
    ("video", "gaps", "used"),
    [
        ({}, False, set()),
        ({"interlaced": True}, False, {"bwdif"}),
        ({}, True, {"select"}),
        ({"color_transfer": 16}, False, {"zscale", "tonemap"}),
        ({"color_transfer": 16, "color_primaries": 9, "color_space": 9}, False, {"zscale", "tonemap"}),
    ],
)
def test_filters_are_used_for_what_needs_them(video: dict[str, Any], gaps: bool, used: set[str]) -> None:
    command = command_of(info=streams(**video), gaps=gaps, filters=frozenset({"zscale", "tonemap"}))
    names = re.findall(r"\](\w+)", filters_of(command))
    assert set(names) & {"bwdif", "select", "zscale", "tonemap", "fps", "tpad"} == used
    assumed = bool(used & {"zscale"}) and "color_primaries" not in video
    assert names.count("setparams") == 1 + assumed  # the last one says which colours come out


@pytest.mark.parametrize("filters", [frozenset(), frozenset({"zscale"}), frozenset({"tonemap"})])
def test_hdr_is_not_tone_mapped_by_half(filters: frozenset[str]) -> None:
    command = command_of(info=streams(color_transfer=18), filters=filters)
    assert not re.search(r"zscale|tonemap", filters_of(command))


@pytest.mark.parametrize(
    ("video", "matrices"),
    [
        ({"color_space": 1}, (None, None)),
        ({"color_space": 2, "height": 720}, ("bt709", "bt709")),
        ({"color_space": 2, "height": 576}, ("bt601", "bt709")),
        ({"color_space": 5, "height": 1080}, (None, "bt709")),
    ],
)
def test_colours_become_those_of_high_definition(
    video: dict[str, Any], matrices: tuple[str | None, str | None]
) -> None:
    filters = filters_of(command_of(info=streams(**video)))
    found = [re.search(rf"{way}_color_matrix=(\w+)", filters) for way in ("in", "out")]
    assert tuple(match and match[1] for match in found) == matrices
    assert "out_range=tv" in filters


@pytest.mark.parametrize(("container", "boxed"), [("mp4", True), ("mov", True), ("mkv", False)])
def test_options_of_boxes_are_for_boxes(container: str, boxed: bool) -> None:
    options = output_of(command_of(container=container, encoder="libx265"))
    assert ("-movflags" in options, "-tag:v" in options) == (boxed, boxed)
    assert ("-avoid_negative_ts" in options) is not boxed
    assert "-tag:v" not in output_of(command_of(container=container))


@pytest.mark.parametrize(
    ("encoder", "options", "last"),
    [
        ("h264_vaapi", ["-vaapi_device", "/dev/dri/renderD129"], "format=nv12,setparams,hwupload"),
        (
            "hevc_qsv",
            ["-init_hw_device", "qsv=gpu:hw,child_device=/dev/dri/renderD129"],
            "format=nv12,setparams",
        ),
        ("h264_nvenc", ["-gpu", "1"], "setsar=1,setparams"),
    ],
)
def test_a_gpu_gets_frames_in_its_own_format(encoder: EncoderName, options: list[str], last: str) -> None:
    command = command_of(info=streams(), encoder=encoder, gpu=1, keyframes=(Fraction(1, 2),))
    at = command.index(options[0])
    assert command[at : at + 2] == options
    chain = [part.strip(";") for part in re.split(r"\[[^]]*\]", filters_of(command))]
    names = [part.partition("=color_primaries")[0] for part in chain if part]
    assert ",".join(names).endswith(last)
    output = output_of(command)
    assert output.get("-tag:v") == ("hvc1" if encoder == "hevc_qsv" else None)
    assert "-force_key_frames" in output
    assert ("-forced-idr" in output) == (encoder == "h264_nvenc")  # which has its own, too
    assert (output["-colorspace"], output["-color_range"]) == ("bt709", "tv")


def test_ffmpeg_accepts_the_whole_command_and_text_is_unchanged(tmp_path: Path) -> None:
    source = make(Recording("mkv", seconds=2))
    title = "-i /etc/passwd; [0:v]x=y, 'it\\'s' \"%d\"\n#;=$HOME|`ü"
    time_base = Fraction(1, 1000)
    info = replace(
        recording(
            stream(0, "video", "h264", title=title, time_base=time_base, video=replace(VIDEO, height=200)),
            stream(1, "audio", "aac", title=title, language="deu"),
        ),
        container="matroska,webm",
        zero=Fraction(0),
        recorded=datetime(2024, 5, 6, tzinfo=UTC),
    )
    chapters = tmp_path / "it's; chapters.txt"
    chapters.write_text(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=200\ntitle=one\n")
    target = tmp_path / "-y 'out' [0:v] %d.mkv"
    command = command_of(
        source=url(source),
        info=info,
        frames=frames_of(Fraction(1), count=5, held=True, entry=Fraction(0)),
        target=target,
        beside=Beside(None, chapters),
        container="mkv",
    )
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    assert numbers(target) == [25, 26, 27, 28, 29]
    with av.open(str(target)) as clip:
        assert [s.metadata["title"] for s in clip.streams] == [title, title]
        assert clip.streams.audio[0].language == "deu"
        assert [chapter["metadata"]["title"] for chapter in clip.chapters()] == ["one"]
        assert clip.metadata["creation_time"].startswith("2024-05-06")


def test_long_titles_are_shortened_to_what_a_process_can_be_started_with() -> None:
    said = {"title": "ü" * 200_000, "language": "x" * 200_000}
    tracks = [stream(1 + n, "audio", "aac", **said) for n in range(63)]
    command = command_of(info=recording(stream(0, "video", "h264", **said), *tracks))
    assert sum(option == "-metadata:s:v:0" for option in command) == 2
    # Linux takes 128 KiB an argument, and 2 MiB of them with the environment.
    assert max(len(argument.encode()) for argument in command) < 128 << 10
    assert sum(len(argument.encode()) + 9 for argument in command) < 1 << 20
