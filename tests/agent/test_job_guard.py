"""An agent whose lease is over uploads nothing and publishes nothing, at whichever step it finds out."""

from __future__ import annotations

import math
import secrets
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

from agent.cancels import Cancels
from agent.cutting import Engine, EngineSettings
from agent.delivery import Courier
from agent.inflight import InFlight, Work
from agent.job import Job
from agent.mounts import MountMemory
from agent.progress import ProgressReporter
from agent.settings import Settings
from agent.spool import Spool
from clipping.bus.connection import subscriber_client
from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.topology import topology
from clipping.clock import ManualClock, SystemClock
from clipping.config import validate
from clipping.errors import LeaseLost
from clipping.ids import new_request_id
from clipping.messages import CompletionMessage, RequestMessage, parse_clip_request
from clipping.store.local import LocalStore
from health.guard import Guard
from tests.support.broker import BrokerProcess
from tests.support.media import Recording, make
from tests.support.waiting import eventually

DEADLINE = 20.0
EPOCH = 7


class RunsOut(ManualClock):
    """Stands still for so many looks at the lease; at the next one the lease is over."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: float = math.inf

    def monotonic(self) -> float:
        self.looks -= 1
        if self.looks < 0:
            self.advance(DEADLINE)
        return super().monotonic()


class Bench:
    """One clip's steps with all their real parts, under a lease whose clock the test holds."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        (folder / "nas").mkdir()
        shutil.copy(make(Recording(seconds=60)), folder / "nas" / "night.mp4")
        self.recording = folder / "nas" / "night.mp4"
        project = f"test-{secrets.token_hex(6)}"
        config = validate(
            {"agent": {"nas_roots": [{"path": str(folder / "nas")}]}, "pubsub": {"project": project}}
        )
        provision(project, topology(config))
        self._spool = Spool(folder / "state", min_free_bytes=0)
        self.store = LocalStore(folder / "store", public_url="http://127.0.0.1")
        self._publisher = Publisher(project, timeout_seconds=20)
        self._path = f"projects/{project}/subscriptions/clipping-api-complete"
        self._subscriber: SubscriberClient = subscriber_client()
        self.clock = RunsOut()
        self.guard = Guard(self.clock, DEADLINE)
        self.guard.renewed(EPOCH, self.clock.monotonic())
        self._folder = folder
        self.job = Job(
            settings=Settings(config, lambda: config),
            clock=SystemClock(),
            engine=engine,
            spool=self._spool,
            mounts=MountMemory(),
            courier=Courier(self.store, agent_id="nas-1", signed_url_seconds=60),
            cancels=Cancels(self.store, InFlight()),
            publisher=self._publisher,
            progress=ProgressReporter(self._publisher, config.pubsub.progress_topic, SystemClock()),
            guard=self.guard,
        )

    def cutting(self) -> bool:
        return any((self._folder / "state" / "spool").rglob("*.part*"))

    def message(self, **fields: object) -> RequestMessage:
        now = datetime.now(UTC)
        body = {"hand_id": "h", "nas_video_path": str(self.recording), "start_seconds": 1, "end_seconds": 3}
        request = parse_clip_request({**body, **fields}, max_clip_seconds=600)
        return RequestMessage.of(request, request_id=new_request_id(now), owner="t", requested_at=now)

    def published(self) -> list[CompletionMessage]:
        try:
            answer = self._subscriber.pull(subscription=self._path, max_messages=10, timeout=1, retry=None)
        except DeadlineExceeded:
            return []
        return [CompletionMessage.from_json(one.message.data) for one in answer.received_messages]

    def clips(self) -> list[str]:
        return [info.key for info in self.store.list("clips/").objects]

    def close(self) -> None:
        self._publisher.close()
        self._subscriber.transport.close()
        self._spool.close()


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine(EngineSettings())
    engine.start()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def broker(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    with BrokerProcess(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def bench(
    tmp_path: Path, engine: Engine, broker: BrokerProcess, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    bench = Bench(tmp_path, engine)
    yield bench
    bench.close()


def test_under_a_good_lease_everything_carries_its_epoch(bench: Bench) -> None:
    message = bench.message()
    completion = bench.job.run(message, Work(message.request_id, 0.0), attempt=1)
    assert (completion.status, completion.epoch) == ("completed", EPOCH)
    (key,) = bench.clips()
    info = bench.store.stat(key)
    assert info is not None
    assert info.metadata["epoch"] == str(EPOCH)
    assert [one.epoch for one in bench.published()] == [EPOCH]


@pytest.mark.parametrize(
    ("looks", "clips"),
    [
        pytest.param(0, 0, id="before anything"),
        pytest.param(1, 0, id="before the upload"),
        pytest.param(2, 1, id="before the completion"),  # the next agent adopts the clip
    ],
)
def test_a_lease_that_runs_out_stops_the_next_effect(bench: Bench, looks: int, clips: int) -> None:
    message = bench.message()
    bench.clock.looks = looks
    with pytest.raises(LeaseLost):
        bench.job.run(message, Work(message.request_id, 0.0), attempt=20)
    assert len(bench.clips()) == clips
    assert bench.published() == []


def test_without_a_lease_a_failure_is_not_told_either(bench: Bench) -> None:
    message = bench.message(nas_video_path=str(bench.recording.with_name("none.mp4")))
    bench.clock.looks = 1
    with pytest.raises(LeaseLost):
        bench.job.run(message, Work(message.request_id, 0.0), attempt=20)
    assert bench.published() == []


def test_a_lease_that_ends_during_the_cut_leaves_no_object_and_no_completion(bench: Bench) -> None:
    message = bench.message(start_seconds=0, end_seconds=40, mode="encode")
    raised: list[BaseException] = []

    def run() -> None:
        try:
            bench.job.run(message, Work(message.request_id, 0.0), attempt=1)
        except LeaseLost as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    eventually(bench.cutting, "the cut to be under way")
    bench.clock.advance(DEADLINE)
    thread.join(90)
    assert len(raised) == 1
    assert (bench.clips(), bench.published()) == ([], [])
