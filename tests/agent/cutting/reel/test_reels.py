"""Reels hold exactly the frames of their parts, and their audio beside them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent.cutting import Engine
from clipping.contract.choices import Mode, TransitionType
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from tests.agent.cutting.reel.reels import Piece, Reported, check, check_sync, make_reel, placed, spec_of
from tests.support.media import Recording, make

TRANSITIONS: tuple[TransitionType, ...] = ("cut", "fade", "dissolve")
NTSC = Fraction(30000, 1001)
PLAIN = Recording(seconds=12, gop=25)
DIFFERENT = {
    "size": Recording(filters="scale=640:400,format=yuv420p"),
    "rate": Recording("mkv", rate=NTSC),
    "10-bit 4:2:2": Recording("mkv", filters="format=yuv422p10le"),
    "sample aspect": Recording(filters="scale=160:200,setsar=2,format=yuv420p"),
    "no audio": Recording(audio=()),
    "audio format": Recording("mkv", audio=("ac3",)),
    "short audio": Recording(audio_seconds=(2,)),
    "codec": Recording("mkv", video=("-c:v", "mpeg4", "-q:v", "3")),
}


def pieces_of_one() -> list[Piece]:
    """Three parts of one recording; none begins at a keyframe."""
    source = make(PLAIN)
    return [Piece(source, "0.6", "3.8"), Piece(source, "4.2", "6.4"), Piece(source, "7.48", "11.04")]


@pytest.mark.parametrize("mode", ["smart", "encode"])
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_parts_of_one_recording(
    engine: Engine, tmp_path: Path, mode: Mode, transition: TransitionType
) -> None:
    pieces = pieces_of_one()
    spec = spec_of(pieces, mode, transition)
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.mode, clip.report.warnings) == (mode, [])
    check(clip, spec, pieces)
    check_sync(clip, placed(spec, pieces))


@pytest.mark.sampled(4, slow=4)
@pytest.mark.parametrize("kind", DIFFERENT)
@pytest.mark.parametrize("transition", ["cut", "dissolve"])
def test_parts_that_differ_are_made_like_the_first(
    engine: Engine, tmp_path: Path, kind: str, transition: TransitionType
) -> None:
    other = DIFFERENT[kind]
    pieces = [
        Piece(make(PLAIN), "1.2", "3.2"),
        Piece(make(other), "3.2", "6.4", other.rate),
        Piece(make(PLAIN), "8.4", "10.2"),
    ]
    spec = spec_of(pieces, "encode", transition)
    clip = make_reel(engine, spec, tmp_path)
    check(clip, spec, pieces)
    silent = {"no audio": frozenset({1}), "short audio": frozenset({1})}.get(kind, frozenset())
    check_sync(clip, placed(spec, pieces), silent)
    with av.open(str(clip.path)) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.format.name) == (320, 200, "yuv420p")
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]


def test_a_first_part_without_audio(engine: Engine, tmp_path: Path) -> None:
    pieces = [Piece(make(Recording(audio=())), "1", "3"), Piece(make(PLAIN), "3.6", "6.4")]
    spec = spec_of(pieces, "encode", "dissolve")
    clip = make_reel(engine, spec, tmp_path)
    check_sync(clip, placed(spec, pieces), frozenset({0}))


@pytest.mark.parametrize("audio", [True, False])
def test_a_reel_without_audio(engine: Engine, tmp_path: Path, audio: bool) -> None:
    source = make(Recording(audio=())) if audio else make(PLAIN)
    pieces = [Piece(source, "1", "3"), Piece(source, "4", "6")]
    clip = make_reel(engine, spec_of(pieces, "smart", output=Output(audio=audio)), tmp_path)
    assert clip.report.audio == []
    with av.open(str(clip.path)) as container:
        assert not container.streams.audio


@pytest.mark.sampled(3, slow=4)
@pytest.mark.parametrize("extension", ["mkv", "ts"])
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_containers_without_an_index_of_frames(
    engine: Engine, tmp_path: Path, extension: str, transition: TransitionType
) -> None:
    source = make(Recording(extension, seconds=12, gop=25))
    pieces = [Piece(source, "0.6", "3.8"), Piece(source, "5", "6.4")]
    spec = spec_of(pieces, "smart", transition)
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.mode, clip.report.warnings) == ("smart", [])
    check(clip, spec, pieces)
    check_sync(clip, placed(spec, pieces))


@pytest.mark.parametrize("container", ["mov", "mkv"])
def test_containers_of_reels(engine: Engine, tmp_path: Path, container: str) -> None:
    pieces = pieces_of_one()
    spec = spec_of(pieces, "smart", "dissolve", output=Output(container=container))
    clip = make_reel(engine, spec, tmp_path)
    assert clip.path.suffix == f".{container}"
    check(clip, spec, pieces)


def test_hevc(engine: Engine, tmp_path: Path) -> None:
    pieces = pieces_of_one()[:2]
    spec = spec_of(pieces, "encode", "dissolve", output=Output(video_codec="hevc"))
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.video.codec, clip.report.encoder) == ("hevc", "libx265")
    check(clip, spec, pieces)


def test_a_copied_reel_begins_its_parts_at_keyframes(engine: Engine, tmp_path: Path) -> None:
    source = make(PLAIN)
    asked = [Piece(source, "1.4", "3"), Piece(source, "5.2", "6.4")]
    spec = spec_of(asked, "copy")
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.mode, clip.report.reencoded_seconds, clip.report.warnings) == ("copy", 0.0, [])
    assert clip.report.parts is not None
    actual = [(part.actual.start, part.actual.end) for part in clip.report.parts]
    assert [start for start, _ in actual] == [1.0, 5.0]
    whole = [Piece(source, str(start), str(end)) for start, end in actual]
    check(clip, spec, whole)
    check_sync(clip, placed(spec, whole))


def test_frames_that_are_not_in_transitions_are_copied_byte_for_byte(engine: Engine, tmp_path: Path) -> None:
    pieces = pieces_of_one()
    clip = make_reel(engine, spec_of(pieces, "smart", "dissolve"), tmp_path)
    own, copied = payloads(make(PLAIN)), payloads(clip.path)
    kept = sum(1 for payload in copied if payload in own)
    whole = round(clip.report.frames - clip.report.reencoded_seconds * 25)
    assert kept == whole > 0.5 * clip.report.frames


def payloads(path: Path) -> dict[bytes, int]:
    """The video packets of a file."""
    with av.open(str(path)) as container:
        return {bytes(packet): packet.size for packet in container.demux(video=0) if packet.size}


def test_other_recordings_that_can_not_be_copied_are_encoded_with_the_reason(
    engine: Engine, tmp_path: Path
) -> None:
    pieces = [Piece(make(PLAIN), "1", "3"), Piece(make(DIFFERENT["size"]), "4", "6")]
    spec = spec_of(pieces, "smart", "fade")
    clip = make_reel(engine, spec, tmp_path)
    check(clip, spec, pieces)
    assert clip.report.mode == "encode"
    assert clip.report.warnings == [
        "not cut as requested: smart: the frame size of clips[1] is 640x400, that of clips[0] is 320x200"
    ]


def test_each_part_has_its_own_effects(engine: Engine, tmp_path: Path) -> None:
    slow = Effects.model_validate({"segments": [{"start": 0, "end": 2, "speed": 0.5}]})
    titled = Effects.model_validate({"title": {"name": "Great", "rating": 5}})
    source = make(PLAIN)
    pieces = [Piece(source, "1", "3", effects=titled), Piece(source, "4", "6", effects=slow)]
    spec = spec_of(pieces, "encode", "dissolve", output=Output(aspect="9:16", width=180))
    clip = make_reel(engine, spec, tmp_path)
    assert clip.report.frames == 50 + 100 - 10
    assert (clip.report.video.width, clip.report.video.height) == (180, 320)
    assert clip.report.parts is not None
    assert [part.end_seconds for part in clip.report.parts] == [2.0, 5.6]


def test_captions_are_burned_into_their_part(engine: Engine, tmp_path: Path) -> None:
    grey = make(Recording(gop=25, filters="drawbox=color=gray:t=fill,format=yuv420p"))
    text = "00:00:00,600 --> 00:00:01,000\nHIII"
    captioned = Effects.model_validate({"captions": {"format": "srt", "text": text}})
    pieces = [Piece(grey, "1", "3"), Piece(grey, "4", "6", effects=captioned)]
    clip = make_reel(engine, spec_of(pieces, "encode", "dissolve"), tmp_path)
    with av.open(str(clip.path)) as container:
        lumas = [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]
    # The second part begins with the transition, at 1.6 s.
    assert [n for n, luma in enumerate(lumas) if (luma > 200).any()] == list(range(55, 65))


def test_the_rate_and_the_size_of_the_output_count(engine: Engine, tmp_path: Path) -> None:
    pieces = pieces_of_one()
    spec = spec_of(pieces, "encode", "dissolve", output=Output(width=640, height=400, fps=50))
    clip = make_reel(engine, spec, tmp_path)
    assert (clip.report.video.width, clip.report.video.fps) == (640, 50.0)
    assert clip.report.frames == 160 + 110 + 178 - 2 * 20


def test_a_part_may_be_all_transition(engine: Engine, tmp_path: Path) -> None:
    source = make(PLAIN)
    pieces = [Piece(source, "1", "3"), Piece(source, "4", "4.8"), Piece(source, "6", "8")]
    for mode in ("smart", "encode"):
        spec = spec_of(pieces, mode, "dissolve")  # type: ignore[arg-type]
        clip = make_reel(engine, spec, tmp_path / mode)
        assert clip.report.mode == mode
        check(clip, spec, pieces)


def test_all_of_a_reel_may_be_a_transition(engine: Engine, tmp_path: Path) -> None:
    source = make(PLAIN)
    pieces = [Piece(source, "1.2", "1.6"), Piece(source, "4.2", "4.6")]
    for mode in ("smart", "encode"):
        spec = spec_of(pieces, mode, "dissolve")  # type: ignore[arg-type]
        clip = make_reel(engine, spec, tmp_path / mode)
        assert (clip.report.mode, clip.report.frames) == (mode, 10)


def test_copied_frames_keep_their_aspect(engine: Engine, tmp_path: Path) -> None:
    source = make(DIFFERENT["sample aspect"])
    pieces = [Piece(source, "1.2", "3.2"), Piece(source, "4.2", "6")]
    spec = spec_of(pieces, "smart", "dissolve")
    clip = make_reel(engine, spec, tmp_path)
    check(clip, spec, pieces)
    with av.open(str(clip.path)) as container:
        assert container.streams.video[0].sample_aspect_ratio == 2


def test_one_part_is_a_reel(engine: Engine, tmp_path: Path) -> None:
    pieces = pieces_of_one()[:1]
    spec = spec_of(pieces, "smart", "dissolve")
    check(make_reel(engine, spec, tmp_path), spec, pieces)


def test_out_points_between_frames(engine: Engine, tmp_path: Path) -> None:
    source = make(PLAIN)
    pieces = [Piece(source, "1.01", "3.03"), Piece(source, "4.05", "6.03")]
    clip = make_reel(engine, spec_of(pieces, "smart", "dissolve"), tmp_path)
    assert (clip.report.mode, clip.report.warnings) == ("smart", [])
    assert clip.report.frames == 50 + 49 - 10


def test_progress_names_the_parts(engine: Engine, tmp_path: Path) -> None:
    log = Reported()
    make_reel(engine, spec_of(pieces_of_one(), "smart", "cut"), tmp_path, log=log)
    percents = [percent for _, percent, _ in log.progress]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    first = log.progress[0][2]
    assert [(part.index, part.stage) for part in first] == [(0, "waiting"), (1, "waiting"), (2, "waiting")]
    assert {part.stage for part in log.progress[-1][2]} == {"completed"}
    seen = {part.stage for _, _, parts in log.progress for part in parts}
    assert {"waiting", "cutting", "completed"} <= seen


def test_a_part_with_its_own_framing_beside_smart_crops(engine: Engine, tmp_path: Path) -> None:
    keyframes = [{"time": 0, "x": 10, "y": 20, "width": 90, "height": 160}]
    framed = Effects.model_validate(
        {"framing": {"keyframes": keyframes, "target_width": 90, "target_height": 160}}
    )
    source = make(PLAIN)
    pieces = [Piece(source, "1", "3"), Piece(source, "4", "6", effects=framed)]
    output = Output(width=90, height=160, fit="smart_crop")
    clip = make_reel(engine, spec_of(pieces, "encode", "fade", output=output), tmp_path)
    assert (clip.report.video.width, clip.report.video.height, clip.report.frames) == (90, 160, 100)
    assert clip.report.parts is not None
    assert [part.framing is not None for part in clip.report.parts] == [True, False]
