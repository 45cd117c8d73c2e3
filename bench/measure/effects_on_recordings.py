"""Every effect on real recordings, compared with a clip of the same part without effects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from agent.cutting import Clip, CutSpec, Engine, EngineSettings
from agent.cutting.formats.media import MediaInfo
from agent.cutting.plan.shape import shown_size
from clipping.contract.effects import Effects
from clipping.contract.output import Output
from clipping.errors import ClippingError

_SECONDS = Fraction(3)
_NO_RECORDINGS = frozenset({".md", ".tsv", ".txt", ".json"})
_APART_SECONDS = 0.024
"""A packet of AAC, in which audio that is padded ends."""
_CODES = 3.0
"""By how much the mean colour of what no effect touches may differ."""
Planes = NDArray[np.float64]


def check(folder: Path) -> int:
    """Print a table; 1 if anything differs that should not."""
    engine = Engine(EngineSettings(encoder="cpu"))
    engine.start()
    wrong = 0
    print("| recording | effect | frames | A/V ms | colours | |")
    print("|---|---|--:|--:|--:|---|")
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix in _NO_RECORDINGS:
                continue
            for row, good in _rows(engine, path):
                wrong += not good
                print(row, flush=True)
    finally:
        engine.close()
    print(f"\n{wrong} wrong")
    return 1 if wrong else 0


def _rows(engine: Engine, path: Path) -> Iterator[tuple[str, bool]]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            info = engine.probe(path)
            begin, end = _range(info)
            plain = _cut(engine, path, begin, end, Effects(), Path(folder))
        except ClippingError as error:
            yield f"| {path.name} | - | | | | can't be encoded: {str(error)[:60]} |", True
            return
        base = _Seen(plain)
        assert info.video_stream is not None
        assert info.video_stream.video is not None
        size = shown_size(info.video_stream.video, Output())
        for name, effects in _effects(size, float(end - begin)).items():
            try:
                made = _Seen(_cut(engine, path, begin, end, effects, Path(folder)))
            except ClippingError as error:
                yield f"| {path.name} | {name} | | | | failed: {str(error)[:80]} |", False
                continue
            yield _row(path.name, name, base, made)


def _row(recording: str, name: str, base: _Seen, made: _Seen) -> tuple[str, bool]:
    retimed = name == "speed"
    expected = base.frames if not retimed else made.planned
    frames = abs(made.frames - expected) <= (1 if retimed else 0)
    apart = abs(made.apart - (0.0 if retimed else base.apart)) <= _APART_SECONDS or base.silent
    # Where an effect changes all of the frame, only times are compared.
    colours = abs(made.mean - base.mean).max() if name in ("original", "title") else 0.0
    good = bool(frames and apart and colours <= _CODES)
    cells = [f"{made.frames} of {expected}", f"{made.apart * 1000:.1f}", f"{colours:.2f}"]
    return f"| {recording} | {name} | {' | '.join(cells)} | {'' if good else 'wrong'} |", good


class _Seen:
    """A clip as a player sees it."""

    def __init__(self, clip: Clip) -> None:
        with av.open(str(clip.path)) as container:
            video = container.streams.video[0]
            shown = []
            totals = np.zeros(3)
            for frame in container.decode(video):
                assert frame.pts is not None
                assert frame.time_base is not None
                shown.append(frame.pts * frame.time_base)
                totals += _lower_part(frame)
            end = clip.duration
        self.frames = len(shown)
        self.mean: Planes = totals / max(1, len(shown))
        self.planned = clip.report.frames
        self.silent = not clip.report.audio
        self.apart = 0.0 if self.silent else _audio_end(clip.path) - end
        clip.path.unlink()


def _lower_part(frame: av.VideoFrame) -> Planes:
    """The mean of each plane in the lowest sixth, which no small effect touches."""
    data = frame.to_ndarray(format="yuv420p").astype(float)
    high, wide = frame.height, frame.width
    chroma = data[high:].reshape(2, high // 2, wide // 2)
    return np.array([data[high * 5 // 6 : high].mean(), *(part[high * 5 // 12 :].mean() for part in chroma)])


def _audio_end(path: Path) -> float:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        ends = [
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.time_base is not None
        ]
    return max(ends)


def _range(info: MediaInfo) -> tuple[Fraction, Fraction]:
    length = info.duration or _SECONDS
    begin = min(Fraction(1), length / 4)
    return begin, min(begin + _SECONDS, length)


def _cut(engine: Engine, path: Path, begin: Fraction, end: Fraction, effects: Effects, folder: Path) -> Clip:
    spec = CutSpec(path, begin, end, "encode", "high", Output(), effects)
    return engine.cut(spec, folder, progress=lambda *_: None)


def _effects(size: tuple[int, int], seconds: float) -> Mapping[str, Effects]:
    width, height = size
    window = {"y": 0.0, "width": width / 2, "height": float(height)}
    moving = [{"time": 0.0, "x": 0.0, **window}, {"time": seconds, "x": width / 3, **window}]
    target = {"target_width": 360, "target_height": 640}
    ellipse = {"y": height / 3, "radiusX": width / 12, "radiusY": height / 8, "opacity": 0.5}
    ends = [{"time": 0.0, "x": width / 4, **ellipse}, {"time": seconds, "x": width / 2, **ellipse}]
    region = {"start_time": 0.0, "end_time": seconds, "keyframes": ends}
    third = round(seconds / 3, 3)
    speeds = [
        {"start": 0.0, "end": third, "speed": 2.0},
        {"start": third, "end": round(2 * third, 3), "speed": 0.5},
    ]
    trees: dict[str, dict[str, Any]] = {
        "framing": {"framing": {"keyframes": moving, "interpolation": "spline", **target}},
        **{
            kind: {"overlay": {"effect_type": kind, "regions": [region]}}
            for kind in ("original", "brightness_boost", "dark_overlay", "blur", "spotlight")
        },
        "title": {"title": {"name": "Ein Titel, 100 %", "rating": 4}},
        "speed": {"segments": speeds},
        "captions": {"captions": {"format": "srt", "text": "00:00:00,500 --> 00:00:02,000\n100 % 축구"}},
    }
    return {name: Effects.model_validate(tree) for name, tree in trees.items()}
