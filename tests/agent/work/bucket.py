"""A bench whose agent may read from a bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.cutting import CutSpec, Engine
from agent.work.job import Job
from clipping.contract.messages import CompletionMessage, RequestMessage
from clipping.timecode import exact
from tests.agent.bench import Bench
from tests.support.http_proxy import Exchange, HttpProxy, Instead
from tests.support.media import Recording, make
from tests.support.seaweed import Seaweed

_NOISE = "noise=alls=40:allf=t,format=yuv420p"
_VIDEO = ("-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-qp")
LARGE = Recording(seconds=60, filters=_NOISE, video=(*_VIDEO, "36"))
"""Larger than what is fetched whole."""
NEXT = Recording(seconds=60, filters=_NOISE, video=(*_VIDEO, "37"))
"""Of the same kind, with other content."""
CHECKPOINTS = {"min_seconds": 8, "segment_seconds": 2, "remote": True}
KEY = "2026/night one.mp4"


class BucketBench:
    """SeaweedFS behind a proxy, and a bench that reads from it. `other`: a bucket's folder for eve only."""

    def __init__(self, folder: Path, engine: Engine, seaweed: Seaweed, name: str, proxy: HttpProxy) -> None:
        self.name, self.proxy, self.engine = name, proxy, engine
        self.uri, self.other = f"s3://{name}/{KEY}", f"s3://{name}/eve/x.mp4"
        self._seaweed, self._folder = seaweed, folder
        source = {"endpoint": proxy.url, "credentials": str(seaweed.credentials)}
        sources = [
            {"prefix": f"s3://{name}/2026/", **source},
            {"prefix": f"s3://{name}/eve/", "owners": ["eve"], **source},
        ]
        self.bench = Bench(folder, engine, sources=sources, checkpoints=CHECKPOINTS)
        self.ranges: list[tuple[int, int]] = []
        """The parts that were asked for."""
        self._acts: dict[int, Callable[[], Instead | None]] = {}
        proxy.before = self._before

    def put(self, recording: Recording = LARGE, key: str = KEY) -> Path:
        path = make(recording)
        self._seaweed.admin.put_object(Bucket=self.name, Key=key, Body=path.read_bytes())
        return path

    def put_bytes(self, data: bytes) -> None:
        self._seaweed.admin.put_object(Bucket=self.name, Key=KEY, Body=data)

    def delete(self) -> None:
        self._seaweed.admin.delete_object(Bucket=self.name, Key=KEY)

    def on_part(self, number: int, act: Callable[[], Instead | None]) -> None:
        """Call `act` before the n-th part from now, counted from 1, is read."""
        self._acts[len(self.ranges) + number] = act

    @property
    def read_bytes(self) -> int:
        """How many were asked for so far."""
        return sum(end - begin for begin, end in self.ranges)

    def message(self, **fields: object) -> RequestMessage:
        body = {"nas_video_path": None, "source_uri": self.uri, "start_seconds": 40, "end_seconds": 42}
        return self.bench.message(**{**body, **fields})

    def run(self, message: RequestMessage, attempt: int = 1) -> CompletionMessage:
        try:
            return self.bench.runner.run(message, Job(message.request_id, 0.0), attempt=attempt)
        finally:
            assert not self.bench.spool_of(message).exists()

    def local(self, path: Path, message: RequestMessage) -> str:
        """The hash of the clip of a file."""
        folder = self._folder / "local"
        folder.mkdir(exist_ok=True)
        spec = CutSpec(
            source=path,
            in_point=exact(message.in_seconds),
            out_point=exact(message.out_seconds),
            mode=message.mode,
            quality=message.quality,
            output=message.output,
            effects=message.effects,
        )
        return self.engine.cut(spec, folder, progress=lambda *_: None).sha256

    def _before(self, exchange: Exchange) -> Instead | None:
        wanted = exchange.headers.get("Range")
        if wanted is None:
            return None
        begin, end = wanted.removeprefix("bytes=").split("-")
        self.ranges.append((int(begin), int(end) + 1))
        act = self._acts.pop(len(self.ranges), None)
        return None if act is None else act()
