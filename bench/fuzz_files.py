"""`python -m bench.fuzz_files`: damage recordings at random, and cut them in every mode.

Generates small recordings of every kind; --media adds those of a folder. Each mutant is cut once in each
mode. Good outcomes are a clip, and a permanent error that names the cause. Bad outcomes are a traceback, a
retryable error, and a cut that takes longer than `MOST_SECONDS`. The same seed generates the same mutants.
Fails on a bad outcome; --keep saves its mutant."""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import get_args

from agent.cutting import Clip, CutSpec, Engine, EngineSettings, find_ffmpeg
from clipping.contract.choices import Mode
from clipping.errors import ClippingError, PermanentError, TimeLimit

MODES: tuple[Mode, ...] = get_args(Mode)
MOST_SECONDS = 30.0
SECONDS = 8
_H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2", "-c:a", "aac")
_MPEG2 = ("-c:v", "mpeg2video", "-g", "12", "-c:a", "mp2")
KINDS: Mapping[str, tuple[str, ...]] = {
    "index-behind.mp4": (*_H264, "-f", "mp4"),
    "index-in-front.mp4": (*_H264, "-movflags", "+faststart", "-f", "mp4"),
    "fragmented.mp4": (*_H264, "-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"),
    "with-cues.mkv": (*_H264, "-f", "matroska"),
    "without-cues.mkv": (*_H264, "-f", "matroska", "-live", "1"),
    "h264.ts": (*_H264, "-f", "mpegts"),
    "mpeg2.ts": (*_MPEG2, "-f", "mpegts"),
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "25", "-c:a", "libmp3lame", "-f", "avi"),
    "program-stream.mpg": (*_MPEG2, "-f", "mpeg"),
}
"""ffmpeg's output options for each generated recording."""
_ATOMS = b"moov trak stbl stsz stts ctts stsc stco mdat moof trun tfhd avcC idx1 movi strh"
_ELEMENTS = (b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b")
_NAMES = (*_ATOMS.split(), *_ELEMENTS)


@dataclass(frozen=True)
class Result:
    """The result of one mutant in one mode."""

    mutant: str
    mode: Mode
    outcome: str
    seconds: float
    bad: bool


def made(folder: Path) -> dict[str, bytes]:
    """Generate the recordings to damage, by name."""
    found = {}
    for name, arguments in KINDS.items():
        path = folder / name
        video = f"testsrc2=size=320x180:rate=25:duration={SECONDS}"
        audio = f"sine=duration={SECONDS}:sample_rate=48000"
        command = [str(find_ffmpeg(None)), "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", video]
        subprocess.run([*command, "-f", "lavfi", "-i", audio, *arguments, str(path)], check=True, timeout=60)
        found[name] = path.read_bytes()
        path.unlink()
    return found


def mutants(originals: Mapping[str, bytes], seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` named damaged recordings, cycling through the originals."""
    names = sorted(originals)
    for number in range(count):
        name = names[number % len(names)]
        chance = random.Random(f"{seed}-{number}-{name}")
        data = bytearray(originals[name])
        ways = chance.sample(_WAYS, chance.choice((1, 1, 1, 2)))
        for way in ways:
            way(data, chance)
        label = "+".join(way.__name__.strip("_") for way in ways)
        yield f"{number:04}-{label}-{name}", bytes(data)


def _flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 8, 64, 512))):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _noise(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    size = min(chance.choice((4, 64, 2000, 60_000)), len(data) - at)
    data[at : at + size] = chance.randbytes(size)


def _zeros(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    size = min(chance.choice((4, 500, 20_000, 200_000)), len(data) - at)
    data[at : at + size] = bytes(size)


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]


def _remove(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    del data[at : at + chance.choice((1, 188, 5000, 100_000))]


def _splice(data: bytearray, chance: random.Random) -> None:
    source, at = _place(data, chance), _place(data, chance)
    piece = data[source : source + chance.choice((8, 188, 4000, 100_000))]
    data[at:at] = piece


def _repeat_header(data: bytearray, chance: random.Random) -> None:
    at = _place(data, chance)
    data[at:at] = data[: chance.choice((32, 400, 4000))]


def _size_field(data: bytearray, chance: random.Random) -> None:
    """Change the number before or after the name of an atom, element or chunk."""
    places = [at for name in _NAMES for at in _all(data, name)]
    at = chance.choice(places) if places else _place(data, chance)
    value = chance.choice((0, 1, 7, 8, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.randrange(1 << 32)))
    begin = max(0, at + chance.choice((-4, 4, 8, 12, 16)))
    data[begin : begin + 4] = value.to_bytes(4, "big")


def _name(data: bytearray, chance: random.Random) -> None:
    """Replace the name of an atom, element or chunk with another name."""
    places = [(at, name) for name in _NAMES for at in _all(data, name)]
    if places:
        at, name = chance.choice(places)
        data[at : at + len(name)] = chance.choice(_NAMES)


_WAYS = (_flip, _noise, _zeros, _truncate, _remove, _splice, _repeat_header, _size_field, _name)


def _place(data: bytearray, chance: random.Random) -> int:
    """A random offset; half of the time in the header or near the end, where the tables are."""
    size = len(data)
    near = min(size, 6000)
    return chance.choice((chance.randrange(size), chance.randrange(near), size - 1 - chance.randrange(near)))


def _all(data: bytearray, name: bytes) -> list[int]:
    found: list[int] = []
    at = data.find(name)
    while at >= 0 and len(found) < 50:
        found.append(at)
        at = data.find(name, at + 1)
    return found


def cut(engine: Engine, source: Path, mode: Mode, chance: random.Random) -> Result:
    """Cut a random range of the mutant."""
    start = Fraction(chance.randrange(0, SECONDS * 1000 - 1500), 1000)
    spec = CutSpec(source, start, start + chance.choice((1, 2, 4)), mode, "high")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        try:
            made: Clip | Exception = engine.cut(spec, Path(folder), progress=lambda *_: None)
        except ClippingError as error:
            made = error
        left = len(list(Path(folder).iterdir()))
    seconds = time.monotonic() - begun
    if isinstance(made, Clip):
        bad, outcome = left != 1, f"clip ({made.report.mode})"
    else:
        permanent = isinstance(made, PermanentError) and not isinstance(made, TimeLimit)
        bad, outcome = left != 0 or not permanent, f"{type(made).__name__}: {made}"
    return Result(source.name, mode, outcome, seconds, bad or seconds > MOST_SECONDS)


def run(
    originals: Mapping[str, bytes], seed: int, count: int, modes: tuple[Mode, ...], keep: Path | None
) -> list[Result]:
    """Cut all mutants in all modes."""
    results = []
    engine = Engine(EngineSettings())
    engine.start()
    try:
        with tempfile.TemporaryDirectory(prefix="clipping-fuzz-") as folder:
            for name, data in mutants(originals, seed, count):
                source = Path(folder) / name
                source.write_bytes(data)
                for mode in modes:
                    result = cut(engine, source, mode, random.Random(f"{seed}-{name}-{mode}"))
                    results.append(result)
                    if result.bad:
                        print(f"{result.seconds:6.1f} s {name} {mode}: {result.outcome}", flush=True)
                        if keep is not None:
                            shutil.copy(source, keep)
                source.unlink()
    finally:
        engine.close()
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=300, help="number of mutants; each is cut in every mode")
    parser.add_argument("--mode", action="append", choices=MODES, help="default: all")
    parser.add_argument("--only", default="", help="recordings whose name contains this")
    parser.add_argument("--media", type=Path, metavar="DIR", help="also damage the recordings in this folder")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="save bad mutants to this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        originals = made(Path(folder))
    if arguments.media is not None:
        files = [p for p in sorted(arguments.media.iterdir()) if p.is_file() and p.stat().st_size < 8 << 20]
        originals |= {path.name: path.read_bytes() for path in files}
    originals = {name: data for name, data in originals.items() if arguments.only in name}
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    modes = tuple(arguments.mode or MODES)
    results = run(originals, arguments.seed, arguments.count, modes, arguments.keep)
    for outcome, number in Counter(r.outcome.partition(":")[0] for r in results).most_common():
        print(f"{number:6} {outcome}")
    bad = sum(result.bad for result in results)
    slowest = max(result.seconds for result in results)
    print(f"{len(results)} cuts of {arguments.count} mutants, {bad} bad; slowest {slowest:.1f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
