"""The command line of the soak test."""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.soak import __doc__ as about
from bench.soak.faults import FaultInjector
from bench.soak.judge import (
    Violation,
    epoch_spans,
    judge_case,
    judge_epochs,
    judge_leaders,
    judge_versions,
    overridden,
)
from bench.soak.load import Load
from bench.soak.recordings import prepare
from bench.soak.stack import Stack
from bench.soak.watch import Watch
from clipping.store.layout import BESIDE
from tests.support.cluster import MARK
from tests.support.procs import descendants_of, with_variable

_INSIDE = "CLIPPING_SOAK_INSIDE"
_CAPBSET_DROP, _DAC_OVERRIDE, _DAC_READ_SEARCH = 24, 1, 2
LEFTOVER_SECONDS = 150.0
RESTART_SECONDS = 70.0
"""Opening a store removes a dead process's partial files once they are a minute old."""
LOG_LINES = 12


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    if os.geteuid() == 0 and _INSIDE not in os.environ:
        # The mount namespace, with its mounts and hanging files, ends with the last process.
        command = ["unshare", "--mount", sys.executable, "-m", "bench.soak", *(argv or sys.argv[1:])]
        os.execvpe(command[0], command, {**os.environ, _INSIDE: "1"})
    if os.geteuid() == 0:
        for capability in (
            _DAC_OVERRIDE,
            _DAC_READ_SEARCH,
        ):  # otherwise child processes could read every file
            ctypes.CDLL(None).prctl(_CAPBSET_DROP, capability, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # runs the `finally` blocks, which clean up
    folder = Path(tempfile.mkdtemp(prefix="clipping-soak-", dir=options.folder))
    clean = False
    try:
        clean = Soak(folder, options).run()
    finally:
        if clean:
            shutil.rmtree(folder, ignore_errors=True)
    return 0 if clean else 1


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.soak", description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="duration of load and faults (default: %(default)s)"
    )
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two faults")
    parser.add_argument("--rate", type=float, default=1.0, help="requests a second")
    parser.add_argument("--most-open", type=int, default=60, help="pause while this many requests are open")
    parser.add_argument("--seed", type=int, default=1, help="determines the requests and the faults")
    parser.add_argument("--settle", type=float, default=600.0, help="seconds to wait for the last requests")
    parser.add_argument("--folder", type=Path, help="data folder; kept after violations")
    return parser.parse_args(argv)


class Soak:
    """One run of the soak test."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        self._folder, self._options = folder, options
        self._began = time.monotonic()

    def run(self) -> bool:
        """Run it. Returns whether there were no violations."""
        options = self._options
        stack = Stack(self._folder, prepare(self._folder), disks=os.geteuid() == 0)
        violations: list[Violation] = []
        try:
            watch = Watch(stack.agents, stack.cluster.store)
            load = Load(stack, random.Random(options.seed), rate=options.rate, most_open=options.most_open)
            injector = FaultInjector(stack, random.Random(options.seed + 1), self._log)
            self._log(f"data in {self._folder}")
            self._inject_faults(injector, load, stack)
            self._log("stopped sending requests and injecting faults")
            load.stop()
            self._settle(load, stack)
            self._log("verifying the results")
            load.check_again()
            load.download_all()
            load.close()
            watch.list_clips()
            self._count(stack, load, watch)
            violations += load.violations
            violations += [one for case in load.cases.values() for one in judge_case(case)]
            violations += _leftovers(stack)
            watch.close()
            violations += judge_leaders(epoch_spans(watch.leading))
            violations += judge_epochs(watch.epochs) + judge_versions(watch.versions)
        finally:
            stack.close()
        violations += _survivors(stack)
        self._report(stack, load, watch, injector, violations)
        return not violations

    def _log(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)

    def _inject_faults(self, injector: FaultInjector, load: Load, stack: Stack) -> None:
        end = time.monotonic() + 60.0 * self._options.minutes
        due = time.monotonic() + self._options.every
        try:
            while time.monotonic() < end:
                injector.heal()
                if time.monotonic() >= due:
                    due += self._options.every
                    injector.inject()
                    stack.cluster.witness.completions()  # so that the subscription does not fill up
                    self._log(f"    {len(load.cases)} requests, {len(load.open())} open")
                time.sleep(0.2)
        finally:
            injector.heal(everything=True)

    def _settle(self, load: Load, stack: Stack) -> None:
        end = time.monotonic() + self._options.settle
        while load.open() and time.monotonic() < end:
            self._log(f"    {len(load.open())} of {len(load.cases)} requests are open")
            time.sleep(5.0)
            stack.cluster.witness.completions()

    def _count(self, stack: Stack, load: Load, watch: Watch) -> None:
        """Count each request's objects in the store and its published completions."""
        objects: Counter[str] = Counter()
        for key in watch.versions:
            if key.endswith(tuple(BESIDE.values())):
                continue
            objects[Path(key).name.partition(".")[0]] += 1
        published = stack.cluster.witness.completions()
        for case in load.cases.values():
            case.objects = objects[case.request_id]
        for (request_id, status), count in published.items():
            if request_id in load.cases:
                load.cases[request_id].published[status] += count

    def _report(
        self, stack: Stack, load: Load, watch: Watch, injector: FaultInjector, violations: list[Violation]
    ) -> None:
        cases = list(load.cases.values())
        print("\nkind                   accepted  outcomes")
        for kind in sorted({case.kind for case in cases}):
            ends = Counter(case.ends[-1] if case.ends else "open" for case in cases if case.kind == kind)
            outcomes = ", ".join(f"{count} {end}" for end, count in ends.most_common())
            print(f"{kind:<22} {sum(ends.values()):>8}  {outcomes}")
        print("\nfault                              times")
        for name, times in sorted(injector.done.items()):
            print(f"{name:<34} {times:>5}")
        attempts = sorted(case.attempt for case in cases)
        duplicates = sum(sum(case.published.values()) > 1 for case in cases)
        led = watch.led_seconds / (watch.leading[-1].answered - watch.leading[0].asked)
        print(f"\nrestarts: {', '.join(f'{name} ({times})' for name, times in stack.exits.most_common())}")
        print(
            f"{len(cases)} requests accepted, {load.sent['invalid']} invalid ones rejected, "
            f"{sum(load.unsent.values())} not answered, {load.held_back} held back; "
            f"{sum(injector.done.values())} faults, {injector.skipped} skipped; "
            f"{len(watch.epochs)} epochs; most attempts of a request: {attempts[-1] if attempts else 0}; "
            f"{duplicates} completions published more than once; "
            f"{sum(overridden(case) for case in cases)} cancels overridden by a completion; "
            f"an agent led {led:.0%} of the time"
        )
        for violation in violations:
            print(f"VIOLATION {violation}")
        logs = _lines_about(self._folder, violations)
        if violations:
            (self._folder / "violations.log").write_text(logs)
            print(f"related logs: {self._folder}/violations.log")
        print(f"{len(violations)} violations", flush=True)


def _leftovers(stack: Stack) -> list[Violation]:
    """Files left in the spools and in the store's temporary folder, and orphan processes, after time for a
    cleanup."""
    found: list[Violation] = []
    began, restarted = time.monotonic(), False
    while time.monotonic() - began < LEFTOVER_SECONDS:
        spools = [path for node in stack.agents for path in node.state_dir.glob("spool/*")]
        temporary = list((stack.data / "store" / "tmp").iterdir())
        owned = {os.getpid(), *descendants_of(os.getpid())}
        stray = [
            f"{pid} {command}"
            for pid, command in with_variable(MARK, stack.cluster.token).items()
            if pid not in owned
        ]
        found = [Violation("left behind", str(path)) for path in [*spools, *temporary]]
        found += [Violation("orphan", process) for process in stray]
        if not found:
            break
        if not restarted and time.monotonic() - began > RESTART_SECONDS:
            restarted = True
            for node in stack.agents:
                node.signal(signal.SIGTERM)
        time.sleep(1.0)
    return found


def _survivors(stack: Stack) -> list[Violation]:
    """Processes that outlived the stack."""
    end = time.monotonic() + 30.0
    while (left := with_variable(MARK, stack.cluster.token)) and time.monotonic() < end:
        time.sleep(0.5)
    return [Violation("orphan", f"{pid} {command}") for pid, command in left.items()]


def _lines_about(folder: Path, violations: list[Violation]) -> str:
    """Log lines about the requests in `violations`."""
    texts = {
        path.name: path.read_text(errors="replace").splitlines() for path in sorted(folder.glob("*.log"))
    }
    found = []
    for request_id in sorted(
        {word for one in violations for word in one.what.split() if word.startswith("clip-")}
    ):
        found.append(f"\n{request_id}")
        for name, lines in texts.items():
            about = [line for line in lines if request_id in line]
            found += [f"  {name}: {line}" for line in about[:LOG_LINES] + about[LOG_LINES:][-LOG_LINES:]]
    return "\n".join(found)


if __name__ == "__main__":
    sys.exit(main())
