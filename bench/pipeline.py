"""The service's overhead over `ffmpeg -c copy` with an fsync of its output, in wall and CPU time.

    python -m bench.pipeline [--clips N] [--slots N …] [--minutes N]

Requests for stream copies of two minutes of a recording go through the whole local stack (POST, database,
Pub/Sub, cut, verification, SHA-256, store, completion). First one at a time, alternating with the same cuts
by ffmpeg, the control; then all at once for each number of slots, and as many concurrent ffmpegs.

The status is polled every 20 ms for one clip, every 100 ms for many, without the API's limit of calls: the
polls are included in the API's CPU time. CPU times are those of /proc/PID/stat, per clip.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from agent.cutting import find_ffmpeg
from bench.load.http import Answers
from bench.load.usage import processes_of, processor_seconds, reaped_seconds, seconds_by_process, since
from bench.recording import CACHE, long_recording
from clipping.contract.messages import TERMINAL
from tests.support.stack import RunningStack
from tests.support.waiting import eventually

POLL_SECONDS, POLL_MANY_SECONDS = 0.02, 0.1
GIVE_UP_SECONDS = 120.0
CONTROL = "ffmpeg -c copy + fsync"

Result = TypeVar("Result")


@dataclass(frozen=True)
class Cuts:
    """Cuts of `length` seconds of a recording, at the in-points `starts`. `outputs` is the folder of the
    control's clips."""

    recording: Path
    outputs: Path
    length: float
    starts: Sequence[float]

    def ask(self, stack: RunningStack, start: float) -> str:
        """Request a clip. Returns its id."""
        end = start + self.length
        return stack.ask(nas_video_path=str(self.recording), start_seconds=start, end_seconds=end)

    def control(self, start: float) -> None:
        """The same clip by ffmpeg alone, flushed to the disk."""
        stream_copy(self.recording, start, start + self.length, self.outputs / f"control-{start}.mp4")


@dataclass
class Sample:
    """What one method took."""

    wall: list[float] = field(default_factory=list)
    """Seconds of each clip."""
    cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of all clips, by process."""

    def add_cpu(self, more: Mapping[str, float]) -> None:
        self.cpu = {name: self.cpu.get(name, 0.0) + seconds for name, seconds in more.items()}


def stream_copy(recording: Path, start: float, end: float, output: Path) -> None:
    """`ffmpeg -c copy`, an fsync as the service's store does it, and removal of the clip."""
    command = [str(find_ffmpeg(None)), "-nostdin", "-v", "error", "-y", "-ss", str(start), "-to", str(end)]
    command += ["-i", str(recording), "-c", "copy", str(output)]
    subprocess.run(command, check=True, timeout=GIVE_UP_SECONDS)
    with output.open("rb") as file:
        os.fsync(file.fileno())
    output.unlink()


@contextmanager
def running(recording: Path, *, slots: int, poster: bool = True) -> Iterator[RunningStack]:
    """A new stack with the default settings, except its slots, `cutting.poster`, and no limit of calls:
    polling exceeds it."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        over: dict[str, Any] = {
            "agent": {"slots": {"interactive": slots}},
            "pubsub": {},
            "cutting": {"poster": poster},
        }
        with RunningStack(Path(folder) / "data", recording.parent, **over) as stack:
            yield stack


def wait(stack: RunningStack, request_id: str, every: float) -> dict[str, Any]:
    """Poll until the clip is completed. Returns its status."""

    def ended() -> dict[str, Any] | None:
        status = stack.status(request_id)
        return status if status["status"] in TERMINAL else None

    status = eventually(ended, request_id, within=GIVE_UP_SECONDS, every=every, logs=stack.logs)
    if status["status"] != "completed":
        raise SystemExit(f"a clip is {status['status']}: {status.get('error_message')}")
    return status


def one_at_a_time(stack: RunningStack, cuts: Cuts) -> tuple[Sample, Sample, list[float]]:
    """The control, the service, and the seconds of each clip in the agent, alternating."""
    control, service, processing = Sample(), Sample(), []
    pids = processes_of(stack)

    def through(start: float) -> dict[str, Any]:
        return wait(stack, cuts.ask(stack, start), POLL_SECONDS)

    for start in cuts.starts:
        _timed(control, _own_seconds, partial(cuts.control, start))
        status = _timed(service, partial(seconds_by_process, pids), partial(through, start))
        processing.append(float(status["processing_time_seconds"]))
    return control, service, processing


def all_at_once(stack: RunningStack, cuts: Cuts, slots: int) -> tuple[Sample, Sample]:
    """The control and the service, each with all cuts as one."""
    control, service = Sample(), Sample()
    pids = processes_of(stack)
    with ThreadPoolExecutor(slots) as pool:
        _timed(control, _own_seconds, lambda: list(pool.map(cuts.control, cuts.starts)))

    def through() -> None:
        for request_id in [cuts.ask(stack, start) for start in cuts.starts]:
            wait(stack, request_id, POLL_MANY_SECONDS)

    _timed(service, partial(seconds_by_process, pids), through)
    return control, service


def _timed(sample: Sample, cpu: Callable[[], dict[str, float]], work: Callable[[], Result]) -> Result:
    before, begun = cpu(), time.perf_counter()
    result = work()
    sample.wall.append(time.perf_counter() - begun)
    sample.add_cpu(since(before, cpu()))
    return result


def _own_seconds() -> dict[str, float]:
    """CPU time of this process, which flushes the control's clips, and of the ffmpegs it has waited for."""
    return {CONTROL: processor_seconds(os.getpid()) + reaped_seconds(os.getpid())}


def latency_table(control: Sample, service: Sample, processing: list[float]) -> str:
    """The clips one at a time, in milliseconds."""
    count = len(control.wall)
    ratio = statistics.median(service.wall) / statistics.median(control.wall)
    rows = [
        f"{f'{count} clips, one at a time':34}{'p50 ms':>9}{'p95 ms':>9}",
        _spread(f"{CONTROL} (control)", control.wall),
        _spread("POST to completed", service.wall),
        _spread("  of which in the agent", processing),
        f"{'  / control':34}{ratio:8.2f}x",
    ]
    return "\n".join(rows + cpu_rows([control], [service], count))


def throughput_table(slots: Sequence[int], controls: list[Sample], services: list[Sample], count: int) -> str:
    """The clips all at once, a column for each number of slots."""
    rates = [[count / sample.wall[0] for sample in samples] for samples in (controls, services)]
    ratios = [service / control for control, service in zip(*rates, strict=True)]
    rows = [
        f"{f'{count} clips at once, slots:':34}" + "".join(f"{number:9}" for number in slots),
        f"{f'{CONTROL}, clips/s':34}" + "".join(f"{rate:9.2f}" for rate in rates[0]),
        f"{'service, clips/s':34}" + "".join(f"{rate:9.2f}" for rate in rates[1]),
        f"{'  / control':34}" + "".join(f"{ratio:8.2f}x" for ratio in ratios),
    ]
    return "\n".join(rows + cpu_rows(controls, services, count))


def cpu_rows(controls: list[Sample], services: list[Sample], count: int) -> list[str]:
    """CPU milliseconds per clip: the control's, the service's with their ratio, and each process's."""

    def row(name: str, seconds: Sequence[float]) -> str:
        return f"{name:34}" + "".join(f"{each * 1000 / count:9.0f}" for each in seconds)

    theirs, ours = ([sum(sample.cpu.values()) for sample in samples] for samples in (controls, services))
    ratios = [our / max(their, 0.01) for our, their in zip(ours, theirs, strict=True)]
    rows = [row("control, CPU ms each", theirs), row("service, CPU ms each", ours)]
    rows.append(f"{'  / control':34}" + "".join(f"{ratio:8.2f}x" for ratio in ratios))
    return rows + [row(f"  {name}", [sample.cpu[name] for sample in services]) for name in services[0].cpu]


def _spread(name: str, seconds: Sequence[float]) -> str:
    spread = Answers(latencies=list(seconds))
    return f"{name:34}{spread.milliseconds(50):9.0f}{spread.milliseconds(95):9.0f}"


def starts_in(duration: float, length: float, count: int) -> list[float]:
    """Random in-points, the same in each run."""
    dice = random.Random(154)
    return [round(dice.uniform(1, duration - length - 1), 3) for _ in range(count)]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.pipeline",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--clips", type=int, default=10, metavar="N", help="of each measurement (default: 10)"
    )
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4, 8], metavar="N", help="default: 1 4 8")
    parser.add_argument("--minutes", type=int, default=10, metavar="N", help="of the recording (default: 10)")
    parser.add_argument(
        "--length", type=float, default=120.0, metavar="SECONDS", help="of a clip (default: 120)"
    )
    options = parser.parse_args()
    recording = long_recording("mp4", options.minutes)
    starts = starts_in(options.minutes * 60, options.length, options.clips)
    controls, services = [], []
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        cuts = Cuts(recording, Path(folder), options.length, starts)
        for slots in options.slots:
            with running(recording, slots=slots) as stack:
                wait(stack, cuts.ask(stack, starts[0]), POLL_SECONDS)  # fills the page cache
                if slots == options.slots[0]:
                    print(latency_table(*one_at_a_time(stack, cuts)) + "\n", flush=True)
                control, service = all_at_once(stack, cuts, slots)
            controls.append(control)
            services.append(service)
    print(throughput_table(options.slots, controls, services, len(starts)))


if __name__ == "__main__":
    main()
