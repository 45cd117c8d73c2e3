"""`python -m bench.smart_crop RECORDING…`: what the analysis of a smart crop costs, and what it finds.

For each recording: the CPU seconds of the analysis alone (ffmpeg's decoding included) and of the whole encode
to a 9:16 clip of medium and of high quality, for a minute of video, each in a process of its own. Without a
recording: a minute of 1080p30 at 8 Mbit/s.

With `--sheets FOLDER`: instead, an image for each recording, of frames with the window drawn, and below each
of them what a centre crop and what a smart crop shows."""

from __future__ import annotations

import argparse
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageDraw

from agent.cutting import CutSpec, find_ffmpeg
from agent.cutting.cache import Cache
from agent.cutting.cut import run_cut
from agent.cutting.effects.keyframes import CropPath, Window
from agent.cutting.encode.run_limits import run_limits
from agent.cutting.encode.smart_framing import SmartFraming
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.plan import plan_cut
from agent.cutting.plan.spec import Order
from agent.cutting.process.context import Context
from agent.cutting.reading.damage import Damage
from agent.cutting.reading.frames import frames_in
from agent.cutting.reading.source import SourceFile, open_path
from agent.cutting.recording import Opened
from bench.measure.forked import used_by
from bench.recording import long_recording
from clipping.contract.choices import Quality
from clipping.contract.effects import Framing
from clipping.contract.output import Output

_SECONDS = 60
_SHORTEST = Fraction(1)
_SMART = Output(aspect="9:16", fit="smart_crop")
_TILES, _TILE_WIDTH = 12, 240


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--seconds", type=Fraction, default=Fraction(_SECONDS), help="at most, of each")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    recordings = arguments.recordings or [long_recording("mp4", 2)]
    if arguments.sheets is None:
        print("| recording | s | analysis, CPU s/min | high, CPU s/min | share | medium, CPU s/min | share |")
        print("|---|--:|--:|--:|--:|--:|--:|")
    for path in recordings:
        seconds = min(arguments.seconds, _length(path))
        if arguments.sheets is not None:
            print(_sheet(path, seconds, arguments.sheets))
        else:
            _cost(path, seconds)
    return 0


def _length(path: Path) -> Fraction:
    with open_path(path) as file, Opened(file, Cache(None)) as opened:
        return max(_SHORTEST, (opened.info.duration or _SHORTEST) - Fraction(1, 10))


def _order(file: SourceFile, seconds: Fraction, folder: Path, quality: Quality) -> Order:
    spec = CutSpec(file.name, Fraction(0), seconds, "encode", quality, _SMART)
    return Order(spec, file.identity, folder, "clip", find_ffmpeg(None), Choice("libx264", ()))


def _framing(path: Path, seconds: Fraction) -> Framing:
    """By the analysis alone."""
    with open_path(path) as file, Opened(file, Cache(None)) as opened:
        order = _order(file, seconds, path.parent, "high")
        plan = plan_cut(opened.info, order.spec, "encode")
        container = opened.around(plan)
        frames = frames_in(container, plan, Damage(opened.info.zero))
        look = SmartFraming(order, file, container.name, opened.info, plan, frames, from_start=False)
        limits = run_limits(float(seconds), from_start=False)
        found, _ = look.order(None, limits, lambda _: None, lambda _: None)
    assert found.spec.effects.framing is not None
    return found.spec.effects.framing


def _encode(path: Path, seconds: Fraction, quality: Quality) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=_drain, args=(theirs,), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, open_path(path) as file:
        run_cut(Context(ours), file.descriptor, _order(file, seconds, Path(folder), quality))


def _drain(channel: socket.socket) -> None:
    while channel.recv(1 << 16):
        pass


def _cost(path: Path, seconds: Fraction) -> None:
    minute = 60 / float(seconds)
    alone = used_by(lambda: _framing(path, seconds) and None).cpu * minute
    cells = [path.name, f"{float(seconds):.0f}", f"{alone:.1f}"]
    for quality in ("high", "medium"):
        whole = used_by(lambda quality=quality: _encode(path, seconds, quality)).cpu * minute  # type: ignore[misc]
        cells += [f"{whole:.0f}", f"{100 * alone / whole:.1f} %"]
    print(f"| {' | '.join(cells)} |", flush=True)


def _sheet(path: Path, seconds: Fraction, folder: Path) -> Path:
    course = CropPath(_framing(path, seconds), Fraction(30))
    tiles: list[Image.Image] = []
    with av.open(str(path)) as container:
        first = None
        for frame in container.decode(video=0):
            first = frame.time if first is None else first
            time = (frame.time or 0.0) - (first or 0.0)
            if time >= float(seconds) * (len(tiles) + 0.5) / _TILES:
                tiles.append(_tile(frame.to_image(), course, time))
            if len(tiles) == _TILES:
                break
    return _saved(tiles, folder / f"{path.stem}.png")


def _tile(frame: Image.Image, course: CropPath, time: float) -> Image.Image:
    window = course.at(time, frame.size)
    centre = Window((frame.width - window.width) / 2, (frame.height - window.height) / 2, *window[2:])
    scale = _TILE_WIDTH / frame.width
    high = round(frame.height * scale)
    tile = Image.new("RGB", (_TILE_WIDTH, 2 * high + 8))
    for place, part in enumerate((centre, window)):
        shown = frame.crop((*part[:2], part.x + part.width, part.y + part.height))  # type: ignore[arg-type]
        shown.thumbnail((_TILE_WIDTH // 2 - 4, high))
        tile.paste(shown, (place * _TILE_WIDTH // 2, high + 4))
    drawn = frame.resize((_TILE_WIDTH, high))
    left, top, right, bottom = (
        side * scale for side in (window.x, window.y, window.x + window.width, window.y + window.height)
    )
    ImageDraw.Draw(drawn).rectangle((left, top, right - 1, bottom - 1), outline="yellow", width=2)
    tile.paste(drawn, (0, 0))
    return tile


def _saved(tiles: Sequence[Image.Image], path: Path) -> Path:
    columns = _TILES // 2
    wide, high = tiles[0].size
    sheet = Image.new("RGB", (columns * wide, 2 * high))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * wide, number // columns * high))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path


if __name__ == "__main__":
    sys.exit(main())
