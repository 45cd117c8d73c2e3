"""`python -m bench.resume --other-agent`: one agent is killed in a long encode, and another one finishes it.

Real agents, with a broker and a store of their own, a folder or with `--store s3` a bucket of a SeaweedFS;
`checkpoints.remote` is set. CPU time is that of the
second agent, from its start to its end, without what an agent takes that makes no clip."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import yaml

from agent.resources.stored_checkpoints import look
from bench.recording import Kind, long_recording
from clipping.config import load
from clipping.contract.checkpoint import StoredCheckpoint
from clipping.contract.messages import CompletionMessage, RequestMessage
from clipping.store.open import open_store
from clipping.store.port import Store
from tests.agent.agent_process import AgentProcess
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

MINUTES = 10
BEGIN = 241.23
LONGEST_SECONDS = 1200.0
_NEVER = 1e6


def measured(clip: Path) -> tuple[int, float]:
    """How many frames a clip has, and how many milliseconds its audio ends after its video."""
    ends = {"video": Fraction(0), "audio": Fraction(0)}
    frames = 0
    with av.open(str(clip)) as container:
        for packet in container.demux(container.streams.video[0], container.streams.audio[0]):
            if packet.size and packet.pts is not None:
                kind = packet.stream.type
                frames += kind == "video"
                ends[kind] = max(ends[kind], (packet.pts + (packet.duration or 0)) * packet.time_base)
    return frames, float(ends["audio"] - ends["video"]) * 1000


@dataclass(frozen=True)
class Result:
    """A finished clip."""

    completion: CompletionMessage
    cpu: float
    """Seconds, of the agent that finished it."""
    size: int
    frames: int
    apart: float
    """Milliseconds that its audio ends after its video."""
    begun_at: float = 0.0
    """The share of its frames that was finished before."""
    killed_at: float = 0.0
    """The share of its frames that was finished when the first agent was killed, on its own disk."""
    download: float = 0.0
    """Seconds that taking the segments over took."""


class Site:
    """A broker, a store (of `server`, or else a folder), and one agent at a time."""

    def __init__(self, source: Path, seconds: int, segment_seconds: float, server: Seaweed | None) -> None:
        self._source, self._seconds, self._segment_seconds = source, seconds, segment_seconds
        self._server = server

    def made(self, *, segments: bool = True, kill_at: int | None = None) -> Result:
        """One clip. `kill_at`: the percentage in the store at which the first agent is killed."""
        with tempfile.TemporaryDirectory() as folder:
            over: dict[str, Any] = {
                "checkpoints": {
                    "remote": True,
                    "segment_seconds": self._segment_seconds,
                    "min_seconds": 1 if segments else _NEVER,
                }
            }
            if self._server is not None:
                over["storage"] = self._server.storage()
            with AgentProcess(Path(folder), **over) as agent:
                store = open_store(load(agent.config))
                os.link(self._source, agent.nas / "night.mp4")
                begun = _cpu()
                message = agent.send(start_seconds=BEGIN, end_seconds=BEGIN + self._seconds, mode="encode")
                killed = 0.0
                if kill_at is not None:
                    killed = _killed(agent, store, message, kill_at)
                    agent.become("nas-2")
                    begun = _cpu()
                    agent.start()
                [completion] = agent.completed(message.request_id, timeout=LONGEST_SECONDS)
                assert completion.status == "completed", completion
                agent.stop()
                cpu = _cpu() - begun
                [key] = (
                    one.key
                    for one in store.list("clips/").objects
                    if message.request_id in one.key and not one.key.endswith(".json")
                )
                clip = Path(folder) / "clip"
                store.download(key, clip)
                resumed, downloaded = agent.events("clip.resumed"), agent.events("checkpoint.downloaded")
                return Result(
                    completion,
                    cpu,
                    clip.stat().st_size,
                    *measured(clip),
                    begun_at=resumed[0]["frame"] / resumed[0]["total"] if resumed else 0.0,
                    killed_at=killed,
                    download=downloaded[0]["seconds"] if downloaded else 0.0,
                )


def idle_cpu() -> float:
    """What an agent takes that makes no clip, in seconds."""
    with tempfile.TemporaryDirectory() as folder, AgentProcess(Path(folder)) as agent:
        begun = _cpu()
        agent.stop()
        return _cpu() - begun


def _killed(agent: AgentProcess, store: Store, message: RequestMessage, percent: int) -> float:
    """Kill the agent; the share of the clip that it had finished."""

    def reached() -> bool:
        found = look(store, message.request_id)
        file: StoredCheckpoint | None = None if found is None else found.checkpoint
        return file is not None and file.frame * 100 >= file.total * percent

    eventually(reached, f"{percent} %", within=LONGEST_SECONDS, every=0.02, logs=agent.log)
    agent.stop(signal.SIGKILL)
    file = agent.folder / "state" / "checkpoints" / message.request_id / "checkpoint.json"
    kept = yaml.safe_load(file.read_text())
    return float(kept["frame"]) / float(kept["total"])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def compare(
    kinds: Sequence[Kind],
    seconds: int,
    segment_seconds: float,
    percents: Sequence[int],
    server: Seaweed | None,
) -> None:
    """Print a table for each kind of recording."""
    idle = idle_cpu()
    print(f"An agent that makes no clip takes {idle:.1f} s of CPU time.\n")
    print("| recording | | s | CPU s | bytes | frames | audio ends, ms after video |")
    print("|---|---|--:|--:|--:|--:|--:|")
    lines = []
    for kind in kinds:
        site = Site(long_recording(kind, MINUTES), seconds, segment_seconds, server)
        whole = site.made()
        results = {"single pass": site.made(segments=False), "in segments": whole}
        for percent in percents:
            resumed = results[f"killed at {percent} %"] = site.made(kill_at=percent)
            saved = 1 - (resumed.cpu - idle) / (whole.cpu - idle)
            lines.append(
                f"| {kind} | {resumed.killed_at:.0%} | {resumed.begun_at:.0%} | {resumed.download:.2f} "
                f"| {saved:.0%} |"
            )
        for name, one in results.items():
            taken = one.completion.processing_time_seconds or 0.0
            print(
                f"| {kind} | {name} | {taken:.1f} | {one.cpu - idle:.1f} | {one.size} | {one.frames} "
                f"| {one.apart:.1f} |",
                flush=True,
            )
    print("\n| recording | killed when it had finished | resumed at | download, s | CPU time saved |")
    print("|---|--:|--:|--:|--:|")
    print("\n".join(lines))
