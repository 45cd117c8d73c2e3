"""`python -m bench.bucket_source`: cutting from a recording in a bucket, beside the other ways to do so.

The bucket is in SeaweedFS, behind a link that is 15 ms long and gives each connection 400 Mbit/s. The
recording is an hour of 1080p30 at 8 Mbit/s (a minute, repeated), the clip two minutes. Bytes are those that
SeaweedFS sends. `ffmpeg` is `ffmpeg -ss … -i URL -c copy`, which neither verifies nor hashes the clip;
`download` fetches the recording as boto3 does it, with ten connections, and cuts the file.

With `--media DIR`, every recording of a folder is cut by its URI and as a file, at several places, with as
little of it fetched as the plan allows. The clips must be identical.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import boto3
from botocore.config import Config

from agent.cutting import CutSpec, Engine, EngineSettings, find_ffmpeg
from agent.cutting.indexed import needed
from agent.cutting.indexed.needed import Stretch
from agent.resources import bucket_recording
from agent.resources.bucket_recording import BucketRecording
from bench.recording import long_recording
from bench.slow_link import SlowLink
from clipping.contract.choices import Mode
from clipping.errors import ClippingError
from clipping.store.ranges import ObjectReader
from clipping.store.s3_client import Endpoint
from clipping.store.s3_ranges import S3Ranges
from tests.support.seaweed import ACCESS_KEY, SECRET_KEY, Seaweed

_PLACES = (Fraction(1, 20), Fraction(1, 2), Fraction(4, 5))
_MOST_SECONDS = Fraction(8)
_MODES: tuple[Mode, ...] = ("copy", "smart")


@dataclass(frozen=True)
class Bench:
    """What all measurements use."""

    engine: Engine
    ranges: S3Ranges
    client: Any
    bucket: str
    folder: Path
    counted: Callable[[], int]
    """Bytes that the store has sent."""

    def cut(self, path: Path, stretch: Stretch, mode: Mode, recording: BucketRecording | None) -> str:
        """The hash of the clip, or the code of the error; fetches more as the agent does."""
        spec = CutSpec(path, *stretch, mode, "high")
        out = self.folder / "clips"
        out.mkdir(exist_ok=True)
        source = recording.open(stretch) if recording is not None else None
        try:
            while True:
                try:
                    clip = self.engine.cut(spec, out, progress=lambda *_: None, source=source)
                    digest = clip.sha256 if clip.extension == "mp4" else _packets(clip.path)
                    clip.path.unlink()
                    return digest
                except ClippingError as error:
                    if recording is None or not recording.widen():
                        return error.code
                    assert source is not None
                    source.close()
                    source = recording.open(stretch)
        finally:
            if source is not None:
                source.close()

    @contextmanager
    def recording(self, key: str) -> Iterator[BucketRecording]:
        """One in the bucket."""
        reader = ObjectReader(f"s3://{self.bucket}/{key}", self.ranges, key)
        part = self.folder / "fetched"
        opened = BucketRecording(reader, part, self.engine.cache, alive=lambda: None, min_free_bytes=0)
        try:
            yield opened
        finally:
            opened.close()


def _packets(path: Path) -> str:
    """The hash of what is in a clip in Matroska, whose segment and tracks get random ids."""
    digest = hashlib.sha256()
    with av.open(str(path)) as container:
        for packet in container.demux():
            digest.update(repr((packet.stream_index, packet.pts, packet.dts)).encode() + bytes(packet))
    return digest.hexdigest()


@dataclass
class Way:
    """One way to get the clip."""

    name: str
    seconds: list[float] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--media", type=Path, help="a folder of recordings: compare their clips")
    parser.add_argument("--minutes", type=int, default=60, help="length of the recording")
    parser.add_argument("--seconds", type=int, default=120, help="length of the clip")
    parser.add_argument("--rtt", type=float, default=15, help="milliseconds")
    parser.add_argument("--mbit", type=float, default=400, help="Mbit/s for each connection")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="needs room for the recording twice")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="clipping-bench-", dir=asked.scratch) as name:
        folder = Path(name)
        with Seaweed(folder / "weed") as weed:
            if asked.media is not None:
                return _compare(asked.media, weed, folder)
            with SlowLink(weed.host_port, rtt=asked.rtt / 1000, rate=asked.mbit * 125_000) as link:
                _measure(asked, weed, link, folder)
    return 0


def _bench(weed: Seaweed, folder: Path, host_port: str, counted: Callable[[], int]) -> Bench:
    engine = Engine(EngineSettings(cache_dir=folder / "cache"))
    engine.start(encodes=False)
    url = f"http://{host_port}"
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
    )
    name = weed.bucket()
    ranges = S3Ranges(name, Endpoint(url, credentials=weed.credentials), setting="sources")
    return Bench(engine, ranges, client, name, folder, counted)


def _measure(asked: argparse.Namespace, weed: Seaweed, link: SlowLink, folder: Path) -> None:
    bench = _bench(weed, folder, link.host_port, lambda: link.received)
    path = long_recording("mp4", asked.minutes)
    size = path.stat().st_size
    weed.admin.upload_file(str(path), bench.bucket, "night.mp4")
    start = Fraction(asked.minutes * 60 * 2, 3)
    stretch = start, start + asked.seconds
    clip = bench.cut(path, stretch, "copy", None)
    clip_bytes = size * asked.seconds / (asked.minutes * 60)
    print(f"{size / 1e6:.0f} MB, {asked.minutes} min; clip about {clip_bytes / 1e6:.1f} MB\n")
    ways = [Way("agent, first clip"), Way("agent, later clip"), Way("ffmpeg -i URL"), Way("download, cut")]
    for run in range(asked.runs):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        for way, do in zip(ways, (_by_agent, _by_agent, _by_ffmpeg, _by_download), strict=True):
            if do is _by_download and run:
                continue  # takes as long each time
            before, begun = bench.counted(), time.monotonic()
            digest = do(bench, stretch)
            way.seconds.append(time.monotonic() - begun)
            way.sent.append(bench.counted() - before)
            assert digest in ("", clip), f"{way.name}: another clip, or {digest}"
    print(f"| {'way':20} | s (min to max) | MB | MB / clip |\n|---|---|---|---|")
    for way in ways:
        sent = max(way.sent) / 1e6
        print(
            f"| {way.name:20} | {min(way.seconds):.2f} to {max(way.seconds):.2f} | {sent:.1f} "
            f"| {sent * 1e6 / clip_bytes:.2f} |"
        )
    bench.engine.close()
    bench.ranges.close()


def _by_agent(bench: Bench, stretch: Stretch) -> str:
    with bench.recording("night.mp4") as recording:
        return bench.cut(Path("night.mp4"), stretch, "copy", recording)


def _by_ffmpeg(bench: Bench, stretch: Stretch) -> str:
    wanted = {"Bucket": bench.bucket, "Key": "night.mp4"}
    url = bench.client.generate_presigned_url("get_object", Params=wanted)
    out = bench.folder / "ffmpeg.mp4"
    command = [str(find_ffmpeg(None)), "-v", "error", "-y", "-ss", str(float(stretch[0])), "-i", url]
    command += ["-t", str(float(stretch[1] - stretch[0])), "-c", "copy", str(out)]
    subprocess.run(command, check=True)
    out.unlink()
    return ""


def _by_download(bench: Bench, stretch: Stretch) -> str:
    path = bench.folder / "downloaded.mp4"
    bench.client.download_file(bench.bucket, "night.mp4", str(path))
    digest = bench.cut(path, stretch, "copy", None)
    path.unlink()
    return digest


def _compare(media: Path, weed: Seaweed, folder: Path) -> int:
    """Whether all clips by URI were those of the files."""
    # As if the recordings were large: by default these would be fetched whole.
    bucket_recording.SMALL_BYTES, bucket_recording.MOST_SHARE = 0, 1.0
    bucket_recording.HEAD_BYTES, needed.FIRST_BYTES, needed.GAP = 32 << 10, 256 << 10, 8 << 10
    bench = _bench(weed, folder, weed.host_port, lambda: 0)
    counts = {"in parts": 0, "whole": 0, "same error": 0, "DIFFERENT": 0}
    files: dict[str, set[str]] = {name: set() for name in counts}
    for path in sorted(media.iterdir()):
        try:
            length = bench.engine.probe(path).duration or Fraction(10)
        except ClippingError:
            continue
        bench.client.upload_file(str(path), bench.bucket, path.name)
        for mode in _MODES:
            for place in _PLACES:
                start = round(length * place, 3)
                stretch = start, start + round(min(_MOST_SECONDS, length / 6), 3)
                wanted = bench.cut(path, stretch, mode, None)
                with bench.recording(path.name) as recording:
                    found = bench.cut(path, stretch, mode, recording)
                    how = "whole" if recording.whole else "in parts"
                if found != wanted:
                    how = "DIFFERENT"
                    print(f"{path.name} {mode} at {float(start)}: {found}, and of the file {wanted}")
                elif len(wanted) < len("0" * 64):
                    how = "same error"
                counts[how] += 1
                files[how].add(path.name)
    print(f"| {'clips':10} | number | of recordings |\n|---|---|---|")
    for how, count in counts.items():
        print(f"| {how:10} | {count} | {len(files[how])} |")
    bench.engine.close()
    bench.ranges.close()
    return 1 if counts["DIFFERENT"] else 0


if __name__ == "__main__":
    sys.exit(main())
