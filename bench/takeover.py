"""`python -m bench.takeover`: the time without a leader, and the delay of interrupted clips.

Runs real processes on this machine (broker, API, two agents), with a new cluster for each run, so that no run
waits for the previous one's hold-down. Faults:

- `kill`: kill -9 of the primary, with a clip in flight
- `stop`: SIGSTOP of the primary, with a clip in flight; resumed when the clip is complete
- `stop-upload`: SIGSTOP of the primary while it uploads one of six clips; resumed when all are complete
- `planned`: a failover through the API, without clips in flight
- `planned-busy`: a failover through the API, with a clip in flight, which is finished first
- `two-actives`: both agents work for a minute with the lease guard disabled (no takeover is timed)
- `failing-store`: the store fails every tenth request of each agent, in turn with 503, 500, a connection that
  is reset, and one that is reset after the write; 20 clips (needs `--store s3`; no takeover is timed)

The lease and the clips are in a folder, or with `--store s3` in buckets of a SeaweedFS on this machine.

Prints min, p50, p95 and max of the time until the standby answers as the leader, and until the interrupted
clip is complete; then counters that must all be 0. `--parallel` runs several clusters concurrently: they
mostly wait."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import requests

from tests.support.cluster import MARK, Cluster
from tests.support.http_proxy import EveryTenth, HttpProxy
from tests.support.media import Recording, make
from tests.support.procs import with_variable
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

FAULTS = ("kill", "stop", "stop-upload", "planned", "planned-busy", "two-actives", "failing-store")
CLIP = {"start_seconds": 0, "end_seconds": 55, "mode": "encode"}
GIVE_UP_SECONDS = 240.0
POLL_SECONDS = 0.1
TWO_ACTIVES_SECONDS = 60.0
FAILING_STORE_CLIPS = 20


@dataclass
class Run:
    """The result of one run. Times in seconds."""

    takeover: float = math.nan
    clip: float = math.nan
    attempts: int = 0
    requests: int = 0
    completed_once: int = 0
    published: int = 0
    """Completions published by agents; more than `requests` when a clip was adopted."""
    overwritten: int = 0
    epochs: int = 0
    """Leaderships, the first included."""
    epochs_back: int = 0
    orphans: int = 0
    broken_links: int = 0
    failing: list[EveryTenth] = field(default_factory=list)
    failure: str = ""
    by_agent: dict[str, int] = field(default_factory=dict)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--preset", choices=["quick", "brisk", "default", "plain"], default="quick")
    parser.add_argument("--fault", choices=FAULTS, default="kill")
    parser.add_argument("--store", choices=["local", "s3"], default="local")
    parser.add_argument("--parallel", type=int, default=2, help="number of concurrent clusters")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    if options.fault == "failing-store" and options.store != "s3":
        parser.error("--fault failing-store needs --store s3")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="clipping-takeover-")))
        nas = folder / "nas"
        nas.mkdir()
        shutil.copy(make(Recording(seconds=60)), nas / "night.mp4")
        server = stack.enter_context(Seaweed(folder / "seaweed")) if options.store == "s3" else None
        with ThreadPoolExecutor(options.parallel, thread_name_prefix="run") as pool:
            jobs = [
                pool.submit(_run, folder / f"run-{number}", nas, options.fault, options.preset, server)
                for number in range(options.runs)
            ]
            runs = [job.result() for job in jobs]
    report = _report(runs, options)
    print(json.dumps(report, indent=1) if options.json else _table(report))
    bad = any(report["wrong"].values()) or report["failures"]
    return 1 if bad else 0


def _run(folder: Path, nas: Path, fault: str, preset: str, server: Seaweed | None) -> Run:
    run = Run()
    over: dict[str, Any] = {"ha": {"preset": preset}}
    if fault == "two-actives":
        over = {"ha": {"mode": "pool"}}
    if server is not None:
        over["storage"] = server.storage()
    each: dict[int, dict[str, Any]] = {}
    try:
        with ExitStack() as stack:
            if fault == "failing-store" and server is not None:
                over["storage"]["public_endpoint"] = server.url
                for number in range(2):
                    proxy = stack.enter_context(HttpProxy(server.host_port))
                    run.failing.append(EveryTenth(proxy))
                    each[number] = {"storage": {"endpoint": proxy.url}}
            cluster = stack.enter_context(Cluster(folder, nas, over=over, each=each))
            _FAULTS[fault](cluster, run)
            _settle(cluster, run)
    except (AssertionError, OSError) as error:
        run.failure = str(error)[:500]
        print(f"a run failed: {run.failure}", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{fault}: takeover {run.takeover:.1f} s, clip {run.clip:.1f} s", file=sys.stderr, flush=True)
    return run


def _begin_clip(cluster: Cluster) -> str:
    request_id = cluster.ask(**CLIP)
    cluster.hold_cut(cluster.nodes[0], request_id).release()  # the cut has started
    return request_id


def _await_second(cluster: Cluster, run: Run, begun: float) -> None:
    second = cluster.nodes[1]
    eventually(second.leads, "the standby to lead", within=GIVE_UP_SECONDS, every=POLL_SECONDS)
    run.takeover = time.monotonic() - begun


def _await_clip(cluster: Cluster, run: Run, request_id: str, begun: float) -> None:
    run.attempts = int(cluster.wait(request_id, within=GIVE_UP_SECONDS)["attempt"])
    run.clip = time.monotonic() - begun


def _kill(cluster: Cluster, run: Run) -> None:
    request_id = _begin_clip(cluster)
    begun = time.monotonic()
    cluster.nodes[0].kill()
    _await_second(cluster, run, begun)
    _await_clip(cluster, run, request_id, begun)


def _stop(cluster: Cluster, run: Run) -> None:
    request_id = _begin_clip(cluster)
    begun = time.monotonic()
    cluster.nodes[0].signal(signal.SIGSTOP)
    _await_second(cluster, run, begun)
    _await_clip(cluster, run, request_id, begun)
    cluster.nodes[0].signal(signal.SIGCONT)
    cluster.nodes[0].becomes("standby", within=GIVE_UP_SECONDS)


def _stop_upload(cluster: Cluster, run: Run) -> None:
    cluster.freeze_uploading(cluster.nodes[0])
    begun = time.monotonic()
    _await_second(cluster, run, begun)
    for request_id in cluster.asked:
        _await_clip(cluster, run, request_id, begun)
    cluster.nodes[0].signal(signal.SIGCONT)
    cluster.nodes[0].becomes("standby", within=GIVE_UP_SECONDS)


def _planned(cluster: Cluster, run: Run) -> None:
    begun = time.monotonic()
    _fail_over(cluster)
    _await_second(cluster, run, begun)
    request_id = cluster.ask()
    _await_clip(cluster, run, request_id, time.monotonic())


def _planned_busy(cluster: Cluster, run: Run) -> None:
    request_id = _begin_clip(cluster)
    begun = time.monotonic()
    _fail_over(cluster)
    _await_second(cluster, run, begun)
    _await_clip(cluster, run, request_id, begun)


def _fail_over(cluster: Cluster) -> None:
    answer = cluster.failover("agent-1", wait_seconds=0)
    assert answer.status_code in (200, 202), answer.text


def _two_actives(cluster: Cluster, run: Run) -> None:
    until = time.monotonic() + TWO_ACTIVES_SECONDS
    while time.monotonic() < until:
        mode = "encode" if len(cluster.asked) % 4 == 0 else "copy"
        cluster.redeliver(cluster.ask(start_seconds=2, end_seconds=6, mode=mode))
        time.sleep(0.5)


def _failing_store(cluster: Cluster, run: Run) -> None:
    begun = time.monotonic()
    for begin in range(FAILING_STORE_CLIPS):
        cluster.ask(start_seconds=begin, end_seconds=begin + 3)
    for request_id in cluster.asked:
        _await_clip(cluster, run, request_id, begun)
        status = cluster.status(request_id)
        answer = requests.get(status["download_url"], timeout=60)
        run.broken_links += hashlib.sha256(answer.content).hexdigest() != status.get("sha256")


_FAULTS: dict[str, Callable[[Cluster, Run], None]] = {
    "kill": _kill,
    "stop": _stop,
    "stop-upload": _stop_upload,
    "planned": _planned,
    "planned-busy": _planned_busy,
    "two-actives": _two_actives,
    "failing-store": _failing_store,
}


def _settle(cluster: Cluster, run: Run) -> None:
    """Count the violations."""
    ends = {request_id: cluster.wait(request_id, within=GIVE_UP_SECONDS) for request_id in cluster.asked}
    completions = cluster.witness.completions()
    run.requests, run.published = len(ends), sum(completions.values())
    for request_id, status in ends.items():
        ways = {how for who, how in completions if who == request_id}
        once = ways == {"completed"} == {status["status"]} and len(cluster.objects(request_id)) == 1
        run.completed_once += once
        agent = str(status.get("agent_id"))
        run.by_agent[agent] = run.by_agent.get(agent, 0) + 1
    run.overwritten = sum(len(found) > 1 for found in cluster.observer.versions.values())
    epochs = cluster.observer.epochs()
    run.epochs = len([epoch for epoch in epochs if epoch > 0])
    run.epochs_back = sum(later <= earlier for earlier, later in pairwise(epochs))
    cluster.close()
    try:
        eventually(lambda: not with_variable(MARK, cluster.token), "every process to exit", within=20)
    except AssertionError:
        run.orphans = len(with_variable(MARK, cluster.token))


def _report(runs: list[Run], options: argparse.Namespace) -> dict[str, Any]:
    good = [run for run in runs if not run.failure]
    return {
        "fault": options.fault,
        "preset": options.preset,
        "store": options.store,
        "runs": len(runs),
        "failures": [run.failure for run in runs if run.failure],
        "takeover_seconds": _spread([run.takeover for run in good]),
        "clip_complete_seconds": _spread([run.clip for run in good]),
        "requests": sum(run.requests for run in good),
        "completions_published": sum(run.published for run in good),
        "leaderships": sum(run.epochs for run in good),
        "failed_store_requests": sum(sum(one.failed.values()) for run in good for one in run.failing),
        "wrong": {
            "requests not completed exactly once": sum(run.requests - run.completed_once for run in good),
            "objects overwritten": sum(run.overwritten for run in good),
            "epochs that went back": sum(run.epochs_back for run in good),
            "links that do not lead to the clip": sum(run.broken_links for run in good),
            "orphan processes": sum(run.orphans for run in good),
        },
    }


def _spread(values: list[float]) -> dict[str, float] | None:
    values = sorted(value for value in values if not math.isnan(value))
    if not values:
        return None
    p95 = values[min(len(values) - 1, math.ceil(0.95 * len(values)) - 1)]
    spread = {"min": values[0], "p50": statistics.median(values), "p95": p95, "max": values[-1]}
    return {name: round(value, 2) for name, value in spread.items()}


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['fault']}, preset {report['preset']}, store {report['store']}: {report['runs']} runs"]
    for name in ("takeover_seconds", "clip_complete_seconds"):
        spread = report[name]
        if spread is not None:
            values = "   ".join(f"{key} {value:6.2f}" for key, value in spread.items())
            lines.append(f"  {name:22} {values}")
    names = ("requests", "completions_published", "leaderships", "failed_store_requests")
    lines.append("  " + ", ".join(f"{name.replace('_', ' ')} {report[name]}" for name in names))
    lines += [f"  {name}: {count}" for name, count in report["wrong"].items()]
    lines += [f"  FAILED: {failure}" for failure in report["failures"]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
