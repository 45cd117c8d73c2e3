"""An encode in segments gives the same clip as one in a single pass."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from agent.cutting import Clip, CutSpec, Engine, Interruption, Keep, Reason, find_ffmpeg
from clipping.contract.checkpoint import Checkpoint
from clipping.contract.output import Output
from clipping.errors import GivenBack
from tests.support.media import Recording, make, shown_frames, tick_offsets

VARIABLE = "select='not(eq(mod(n\\,7)\\,3)+eq(mod(n\\,7)\\,4))',format=yuv420p"
"""Leaves frames out, so that the rest stand for one or for three times as long."""
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-keyint_min", "25", "-sc_threshold", "0")
KINDS: dict[str, tuple[Recording, dict[str, Any]]] = {
    "mp4": (Recording(seconds=12, gop=25), {}),
    "mkv": (Recording("mkv", seconds=12, gop=25), {}),
    "ts": (Recording("ts", seconds=12, gop=25), {}),
    "ntsc": (Recording(seconds=12, rate=Fraction(30000, 1001), gop=30), {}),
    "50 fps": (Recording(seconds=12, rate=Fraction(50), gop=50), {}),
    "60 fps": (Recording("mkv", seconds=12, rate=Fraction(60), gop=60), {}),
    "every frame a keyframe": (Recording("mov", seconds=12, video=("-c:v", "mjpeg", "-q:v", "3")), {}),
    "variable rate": (
        Recording("mkv", seconds=12, filters=VARIABLE, video=(*X264, "-fps_mode", "passthrough")),
        {},
    ),
    "interlaced": (
        Recording("ts", seconds=12, video=(*X264, "-flags", "+ilme+ildct", "-x264-params", "tff=1")),
        {},
    ),
    "no audio": (Recording(seconds=12, gop=25, audio=()), {}),
    "several tracks": (Recording("mkv", seconds=12, gop=25, audio=("aac", "ac3", "libmp3lame")), {}),
    "short audio": (Recording(seconds=12, gop=25, audio_seconds=(5,)), {}),
    "to hevc": (Recording(seconds=12, gop=25), {"video_codec": "hevc"}),
    "to mkv": (Recording(seconds=12, gop=25), {"container": "mkv"}),
    "to 30 fps": (Recording(seconds=12, gop=25), {"fps": 30.0}),
    "ntsc to 25 fps": (Recording(seconds=12, rate=Fraction(30000, 1001), gop=30), {"fps": 25.0}),
    "variable to 30 fps": (
        Recording("mkv", seconds=12, filters=VARIABLE, video=(*X264, "-fps_mode", "passthrough")),
        {"fps": 30.0},
    ),
    "to a size": (Recording(seconds=12, gop=25), {"width": 160}),
}
START, END = "0.7", "10.3"
FRAMES = 240


@dataclass
class Made:
    """A clip, and the checkpoints that were reported while it was made."""

    clip: Clip
    checkpoints: list[Checkpoint]


class Encoder:
    """Encodes in one folder."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine = engine
        self.folder = folder
        self.end = END
        self.keep = Keep(folder / "kept", "clip-1", "spec", "nas-1", min_seconds=3, segment_seconds=2)

    def at_once(self, source: Path, **output: Any) -> Clip:
        return self._engine.cut(self.spec(source, **output), self.folder, progress=lambda *_: None)

    def in_segments(
        self, source: Path, *, keep: Keep | None = None, stop_after: int | None = None, **output: Any
    ) -> Made:
        """`stop_after`: the number of finished segments after which the clip is given back."""
        checkpoints: list[Checkpoint] = []
        interruption = Interruption()

        def report(checkpoint: Checkpoint) -> None:
            checkpoints.append(checkpoint)
            if checkpoint.segment == stop_after:
                interruption.set(Reason.GIVEN_BACK)

        spec = self.spec(source, **output)
        clip = self._engine.cut(
            spec,
            self.folder,
            progress=lambda *_: None,
            interruption=interruption,
            keep=keep or self.keep,
            checkpoint=report,
        )
        return Made(clip, checkpoints)

    def interrupted(self, source: Path, *, after: int, **output: Any) -> None:
        with pytest.raises(GivenBack):
            self.in_segments(source, stop_after=after, **output)

    def spec(self, source: Path, **output: Any) -> CutSpec:
        quality = output.pop("quality", "high")
        return CutSpec(source, Fraction(START), Fraction(self.end), "encode", quality, Output(**output))

    def file(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.keep.folder / "checkpoint.json").read_bytes())
        return content


@pytest.fixture
def encoder(engine: Engine, tmp_path: Path) -> Encoder:
    return Encoder(engine, tmp_path)


def packets(path: Path) -> dict[str, list[tuple[int | None, int | None]]]:
    """When the packets of each stream are shown and decoded, in ticks."""
    with av.open(str(path)) as container:
        found: dict[str, list[tuple[int | None, int | None]]] = {}
        for packet in container.demux():
            if packet.size:
                key = f"{packet.stream_index} {packet.stream.type} {packet.time_base}"
                found.setdefault(key, []).append((packet.pts, packet.dts))
        return found


def described(path: Path) -> list[Any]:
    """What a player finds out about the file and its streams."""
    with av.open(str(path)) as container:
        length = None if container.duration is None else container.duration // 2000
        found: list[Any] = [length, {k: v for k, v in container.metadata.items() if k != "encoder"}]
        for stream in container.streams:
            context = stream.codec_context
            found.append((stream.type, context.name, context.codec_tag, bytes(context.extradata or b"")))
            found.append((stream.language, int(stream.disposition)))
            if stream.type == "video":
                colours = context.colorspace, context.color_range, context.color_trc, context.color_primaries
                found.append((stream.width, stream.height, context.pix_fmt, *map(int, colours)))
                found.append((round(float(stream.average_rate or 0), 1), stream.sample_aspect_ratio))
                found.append(stream.start_time)
        return found


@pytest.mark.sampled(16, slow=6)
@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_frames_and_the_times_of_a_single_pass(encoder: Encoder, kind: str) -> None:
    recording, output = KINDS[kind]
    source = make(recording)
    once = encoder.at_once(source, **output)
    made = encoder.in_segments(source, **output)
    count = made.checkpoints[-1].segments
    assert count >= 3
    assert [one.segment for one in made.checkpoints] == list(range(1, count + 1))
    assert made.checkpoints[-1].frame == made.checkpoints[-1].total == made.clip.report.frames
    assert made.clip.report.frames == once.report.frames
    assert made.clip.duration == once.duration
    assert made.clip.report.warnings == once.report.warnings
    assert shown_frames(made.clip.path) == shown_frames(once.path)
    assert described(made.clip.path) == described(once.path)
    ours, theirs = packets(made.clip.path), packets(once.path)
    assert ours.keys() == theirs.keys()
    for key, times in ours.items():
        assert sorted(pts for pts, _ in times) == sorted(pts for pts, _ in theirs[key]), key
        assert all(a < b for (_, a), (_, b) in pairwise(times) if a is not None and b is not None), key
    if recording.audio:
        offsets = tick_offsets(made.clip.path, recording.rate)
        assert offsets == pytest.approx(tick_offsets(once.path, recording.rate), abs=0.001)
        assert max(abs(offset) for offset in offsets) < 0.020


def test_the_frames_at_a_seam_look_as_in_a_single_pass(encoder: Encoder) -> None:
    """Lossless decoding aside, an encoder that starts again gives a better frame, never another one."""
    recording, _ = KINDS["interlaced"]
    source = make(recording)
    once, made = encoder.at_once(source), encoder.in_segments(source)
    ours, theirs = luma(made.clip.path), luma(once.path)
    differences = [abs(a - b).mean() for a, b in zip(ours, theirs, strict=True)]
    assert max(differences) < 2.0


def luma(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").astype("int16") for frame in container.decode(video=0)]


def test_a_clip_that_is_shorter_than_the_limit_is_encoded_at_once(encoder: Encoder) -> None:
    keep = replace(encoder.keep, min_seconds=9.7)
    made = encoder.in_segments(make(KINDS["mp4"][0]), keep=keep)
    assert made.checkpoints == []
    assert not keep.folder.exists()


@pytest.mark.parametrize("over", [{"gop": 10_000}, {"open_gop": True}])
def test_a_recording_without_clean_keyframes_is_encoded_at_once(
    encoder: Encoder, over: dict[str, Any]
) -> None:
    made = encoder.in_segments(make(Recording("ts", seconds=12, **over)))
    assert made.checkpoints == []
    assert made.clip.report.frames == FRAMES


def test_it_resumes_behind_the_last_finished_segment(encoder: Encoder) -> None:
    source = make(KINDS["mp4"][0])
    whole = encoder.in_segments(source, keep=replace(encoder.keep, folder=encoder.folder / "other"))
    encoder.interrupted(source, after=2)
    times = [(encoder.keep.folder / f"segment-0000{n}.mp4").stat().st_mtime_ns for n in (0, 1)]
    resumed = encoder.in_segments(source)
    assert [one.segment for one in resumed.checkpoints] == [2, 3, 4, 5]
    assert {one.resumed_count for one in resumed.checkpoints} == {1}
    assert times == [(encoder.keep.folder / f"segment-0000{n}.mp4").stat().st_mtime_ns for n in (0, 1)]
    assert shown_frames(resumed.clip.path) == shown_frames(whole.clip.path)
    assert encoder.file()["resumed_count"] == 1
    assert sum(encoder.file()["frames"]) == encoder.file()["frame"] == FRAMES


def test_it_counts_every_attempt_that_resumes(encoder: Encoder) -> None:
    source = make(KINDS["mp4"][0])
    encoder.interrupted(source, after=1)
    encoder.interrupted(source, after=3)
    assert encoder.in_segments(source).checkpoints[-1].resumed_count == 2


@pytest.mark.sampled(2, slow=3)
@pytest.mark.parametrize("change", ["request", "recording", "file", "segment", "length", "quality"])
def test_what_does_not_belong_to_this_clip_is_not_used(encoder: Encoder, tmp_path: Path, change: str) -> None:
    source = tmp_path / "source.mp4"
    source.write_bytes(make(KINDS["mp4"][0]).read_bytes())
    encoder.interrupted(source, after=2)
    keep, output = encoder.keep, {}
    kept = keep.folder
    match change:
        case "request":
            keep = replace(keep, spec_hash="another")
        case "recording":
            os.utime(source, ns=(0, source.stat().st_mtime_ns + 1))
        case "file":
            (kept / "checkpoint.json").write_text("{}")
        case "segment":
            (kept / "segment-00001.mp4").write_bytes(b"truncated")
        case "length":
            keep = replace(keep, segment_seconds=3)
        case "quality":
            output = {"quality": "medium"}
    made = encoder.in_segments(source, keep=keep, **output)
    assert made.checkpoints[0].segment == 1
    assert {one.resumed_count for one in made.checkpoints} == {0}
    assert made.clip.report.frames == FRAMES


def test_a_damaged_segment_costs_time_and_not_the_clip(encoder: Encoder) -> None:
    source = make(KINDS["mp4"][0])
    encoder.interrupted(source, after=2)
    damaged = encoder.keep.folder / "segment-00001.mp4"
    damaged.write_bytes(bytes(damaged.stat().st_size))
    made = encoder.in_segments(source)
    assert made.clip.report.frames == FRAMES
    assert not list(encoder.keep.folder.iterdir())


def test_segments_of_another_build_are_made_again_and_not_joined(encoder: Encoder) -> None:
    source = make(KINDS["mp4"][0])
    encoder.interrupted(source, after=2)
    file, sizes = encoder.file(), []
    for number in range(2):
        segment = encoder.keep.folder / f"segment-0000{number}.mp4"
        other = segment.with_suffix(".other.mp4")
        command = [find_ffmpeg(None), "-v", "error", "-i", segment, "-c:v", "libx264", "-preset", "ultrafast"]
        subprocess.run([*command, other], check=True)
        sizes.append(other.stat().st_size)
        other.replace(segment)
    (encoder.keep.folder / "checkpoint.json").write_text(json.dumps({**file, "sizes": sizes}))
    made = encoder.in_segments(source)
    assert [one.segment for one in made.checkpoints] == [2, 1, 2, 3, 4, 5]
    assert made.clip.report.frames == FRAMES
    assert made.clip.report.warnings == []


def test_a_limit_of_bytes_holds_in_segments(encoder: Encoder) -> None:
    source = make(Recording(seconds=24))
    encoder.end = "20.7"  # a shorter clip keeps a larger distance from its limit
    limit = encoder.at_once(source).size // 3
    made = encoder.in_segments(source, max_bytes=limit)
    assert limit * 0.6 < made.clip.size <= limit
    assert made.clip.report.frames == 500


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    left = [path.name for path in tmp_path.glob("clip-*") if path.suffix not in (".mp4", ".mkv")]
    assert left == []
