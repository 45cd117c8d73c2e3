"""What clips in flight cost: CPU seconds per second (cores) of the API and of the broker.

    python -m bench.progress [--clips N] [--every S] [--seconds N] [--postgres]

`--clips` clips in flight each send a progress message every `--every` seconds, each message in a call of its
own, as agents send them. The API pulls and applies them, as one process on SQLite or with `--postgres` on
PostgreSQL; the broker is the embedded one. The phases, each of `--seconds`:

- `idle`: no message.
- `bare messages`: the control. As many messages of the same size, pulled and acknowledged by the client
  library in a process without a database, whose figures are in the column of the API.
- `progress`: the messages alone. `+ streams`: each clip is watched on an event stream. `+ polls with ETag`:
  each clip's status is polled every `--poll` seconds, as by clients that send the ETag of the last answer.
- `+ completions`: five clips a second are completed among the messages; measured from the publish until the
  row is committed.
- `polls`, `polls with ETag`: the status of clips that do not change, without and with `If-None-Match`.

A phase ends when everything published in it is applied. CPU times are independent of other work on the
machine, unlike the delays.
"""

from __future__ import annotations

import argparse
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select as sql_select

from api.db.engine import Database
from api.db.tables import Clip
from bench.load.http import Answers
from bench.load.polls import Polls
from bench.load.streams import Streams
from bench.load.usage import processor_seconds, since
from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.topology import SubscriptionSpec, Topology
from clipping.contract.messages import ProgressMessage
from tests.api.api_process import CLIENT, ApiProcess, emulator_host
from tests.api.conftest import migrated
from tests.api.messages import completed
from tests.api.rows import put
from tests.support.broker import BrokerProcess
from tests.support.postgres import PostgresServer, find_programs

SENDERS = 4
"""Threads that publish: as many as it takes to keep the rate."""
COMPLETIONS_PER_SECOND = 5
APPLY_SECONDS = 120.0
"""Messages that are not applied so long after a phase count as lost."""


Usage = Mapping[str, float]


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.progress",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clips", type=int, default=200, metavar="N", help="clips in flight")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="between a clip's messages")
    parser.add_argument("--poll", type=float, default=2.0, metavar="S", help="between polls of a clip")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="N", help="duration of each phase")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-progress-") as folder, ExitStack() as stack:
        broker = stack.enter_context(BrokerProcess(Path(folder) / "broker"))
        stack.enter_context(emulator_host(broker.host_port))
        pids = {"broker": broker.pid}
        url = f"sqlite:///{folder}/clips.db"
        if options.postgres:
            if (programs := find_programs()) is None:
                raise SystemExit("there is no PostgreSQL here")
            postgres = stack.enter_context(PostgresServer(programs, durable=True))
            url = migrated(postgres.database())
        over = {"api": {"database_url": url, "event_streams": options.clips}}
        api = ApiProcess(Path(folder) / "api", emulator=broker.host_port, over=over)
        stack.callback(api.close)
        with api.database() as database:
            bench = Bench(api, database, options.clips, options.every, options.seconds, options.poll)
            print(table(list(bench.phases(pids | {"API": api.pid}))))
    return 0


@dataclass(frozen=True)
class Phase:
    """The figures of one phase."""

    name: str
    seconds: float
    messages: int
    used: Usage
    """CPU seconds by process."""
    notes: Sequence[str] = ()


@dataclass
class Bench:
    """The clips, and what has been published of them."""

    api: ApiProcess
    database: Database
    clips: int
    every: float
    seconds: float
    poll: float
    ids: list[str] = field(init=False)
    sent: int = 0
    """Messages of each clip so far."""

    def __post_init__(self) -> None:
        self.ids = [put(self.database, at=datetime.now(UTC)) for _ in range(self.clips)]
        self._publisher = Publisher(self.api.config.pubsub.project, timeout_seconds=30)

    def _publish(self, data: bytes) -> str:
        return self._publisher.publish(self.api.config.pubsub.progress_topic, data, {})

    def phases(self, pids: Mapping[str, int]) -> Iterator[Phase]:
        """Run them, one after the other."""
        with self._measured("warm-up", pids):
            self._send()
        with self._measured("idle", pids) as phase:
            time.sleep(self.seconds)
        yield phase()
        yield self._bare(pids)
        with self._measured("progress", pids) as phase:
            self._send()
        yield phase()
        yield self._streams(pids)
        yield self._polls("+ polls with ETag", pids, conditional=True, send=True)
        yield self._completions(pids)
        yield self._polls("polls", pids, conditional=False, send=False)
        yield self._polls("polls with ETag", pids, conditional=True, send=False)

    def _polls(self, name: str, pids: Mapping[str, int], *, conditional: bool, send: bool) -> Phase:
        polls = Polls(self.api.url, CLIENT, self.ids, every=self.poll, conditional=conditional)
        with self._measured(name, pids) as phase, polls:
            if send:
                self._send()
            else:
                time.sleep(self.seconds)
        measured = phase()
        answers = polls.statuses.total()
        each = f", API {1000 * measured.used['API'] / answers:.2f} ms each" if not send else ""
        return replace(measured, notes=[f"polls answered: {dict(polls.statuses)}{each}"])

    @contextmanager
    def _measured(self, name: str, pids: Mapping[str, int]) -> Iterator[Callable[..., Phase]]:
        before, sent = _seconds(pids), self.sent
        used: dict[str, float] = {}

        def phase(*notes: str) -> Phase:
            return Phase(name, self.seconds, (self.sent - sent) * self.clips, used, notes)

        yield phase
        self._wait_until_applied()
        used |= since(before, _seconds(pids))

    def _send(self, into: Streams | None = None) -> None:
        """Publish the clips' messages in turn for the duration of a phase."""

        def message(clip: int, number: int) -> bytes:
            percent = round(number / 100, 2)
            if into is not None:
                into.sent[self.ids[clip], percent] = time.perf_counter()
            return ProgressMessage(
                request_id=self.ids[clip],
                stage="cutting",
                progress_percent=percent,
                agent_id="nas-1",
                epoch=1,
                attempt=1,
                seq=number,
            ).to_json()

        def publish(number: int) -> object:
            turn, clip = divmod(number, self.clips)
            return self._publish(message(clip, self.sent + turn + 1))

        self._at_rate(self._rounds * self.clips, publish)
        self.sent += self._rounds

    @property
    def _rounds(self) -> int:
        return max(1, round(self.seconds / self.every))

    def _at_rate(self, count: int, send: Callable[[int], object]) -> None:
        begin, gap = time.perf_counter(), self.every / self.clips
        with ThreadPoolExecutor(SENDERS) as pool:
            sending = []
            for number in range(count):
                time.sleep(max(0.0, begin + number * gap - time.perf_counter()))
                sending.append(pool.submit(send, number))
            for each in sending:
                each.result()

    def _wait_until_applied(self) -> None:
        give_up = time.monotonic() + APPLY_SECONDS
        query = sql_select(Clip.request_id).where(Clip.request_id.in_(self.ids), Clip.seq == self.sent)
        while True:
            with self.database.read() as session:
                applied = len(session.scalars(query).all())
            if applied == self.clips or not self.sent:
                return
            if time.monotonic() > give_up:
                raise SystemExit(f"only {applied} of {self.clips} clips have their last progress")
            time.sleep(0.05)

    def _bare(self, pids: Mapping[str, int]) -> Phase:
        """As many messages for a consumer without a database."""
        project, topic = f"{self.api.config.pubsub.project}-bare", "bare"
        subscription = SubscriptionSpec("bare", topic, 0, 1, 60)
        provision(project, Topology((topic,), (subscription,)))
        publisher = Publisher(project, timeout_seconds=30)
        count = self._rounds * self.clips
        command = [sys.executable, "-m", "bench.load.consumer", project, "bare", str(count)]
        data = b"x" * 220
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as consumer:
            assert consumer.stdout is not None
            consumer.stdout.readline()
            time.sleep(2)
            pids = {"API": consumer.pid, "broker": pids["broker"]}
            before = _seconds(pids)
            self._at_rate(count, lambda _: publisher.publish(topic, data, {}))
            readable, _, _ = select.select([consumer.stdout], [], [], APPLY_SECONDS)
            time.sleep(1)  # acknowledgements follow in batches
            used = since(before, _seconds(pids))
            consumer.terminate()
        publisher.close()
        if not readable:
            raise SystemExit("the control did not receive all messages")
        return Phase("bare messages", self.seconds, count, used)

    def _streams(self, pids: Mapping[str, int]) -> Phase:
        streams = Streams(self.api.url, CLIENT, self.ids)
        streams.open()
        with self._measured("+ streams", pids) as phase:
            self._send(streams)
        time.sleep(1)
        streams.close()
        delays = Answers(latencies=streams.delays)
        return phase(
            f"events {len(streams.delays)}, delay p50 {delays.milliseconds(50):.0f} ms, "
            f"p99 {delays.milliseconds(99):.0f} ms"
        )

    def _completions(self, pids: Mapping[str, int]) -> Phase:
        ids = [
            put(self.database, at=datetime.now(UTC))
            for _ in range(int(self.seconds) * COMPLETIONS_PER_SECOND)
        ]
        sent: dict[str, float] = {}
        delays: dict[str, float] = {}

        def complete() -> None:
            for request_id in ids:
                sent[request_id] = time.perf_counter()
                self.api.send(completed(request_id=request_id))
                time.sleep(1 / COMPLETIONS_PER_SECOND)

        def watch() -> None:
            query = sql_select(Clip.request_id).where(Clip.request_id.in_(ids), Clip.status == "completed")
            give_up = time.monotonic() + self.seconds + APPLY_SECONDS
            while len(delays) < len(ids) and time.monotonic() < give_up:
                with self.database.read() as session:
                    found = session.scalars(query).all()
                for each in found:
                    delays.setdefault(each, time.perf_counter() - sent[each])
                time.sleep(0.02)

        with self._measured("+ completions", pids) as phase, ThreadPoolExecutor(2) as pool:
            threads = [pool.submit(complete), pool.submit(watch)]
            self._send()
            for each in threads:
                each.result()
        found = Answers(latencies=list(delays.values()))
        return phase(
            f"{len(delays)} of {len(ids)} completions, delay p50 {found.milliseconds(50):.0f} ms, "
            f"p99 {found.milliseconds(99):.0f} ms"
        )


def table(phases: Sequence[Phase]) -> str:
    """A row for each phase; the ratio is that of the API's CPU per message to the control's."""
    control = next((each for each in phases if each.name == "bare messages"), None)
    rows = [f"{'':18}{'messages/s':>12}{'API':>9}{'broker':>9}{'API ms':>9}{'broker ms':>11}{'/ bare':>9}"]
    rows += [f"{'':18}{'':>12}{'cores':>9}{'cores':>9}{'each':>9}{'each':>11}"]
    for phase in phases:
        each = [
            1000 * phase.used[name] / phase.messages if phase.messages else 0 for name in ("API", "broker")
        ]
        ratio = phase.used["API"] / control.used["API"] if control and phase.messages else 0
        cells = [f"{phase.messages / phase.seconds:12.0f}"]
        cells += [f"{phase.used[name] / phase.seconds:9.3f}" for name in ("API", "broker")]
        cells += [f"{each[0]:9.2f}", f"{each[1]:11.2f}", f"{ratio:8.2f}x"] if phase.messages else []
        rows.append(f"{phase.name:18}" + "".join(cells) + "".join(f"   {note}" for note in phase.notes))
    return "\n".join(rows)


def _seconds(pids: Mapping[str, int]) -> dict[str, float]:
    return {name: processor_seconds(pid) for name, pid in pids.items()}


if __name__ == "__main__":
    sys.exit(main())
