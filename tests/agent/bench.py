"""The real parts for one clip's steps, in the test's own process."""

from __future__ import annotations

import math
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from google.api_core.exceptions import DeadlineExceeded
from google.cloud.pubsub_v1 import SubscriberClient

from agent.cutting import Engine
from agent.resources.checkpoints import Checkpoints
from agent.resources.mounts import MountMemory
from agent.resources.spool import Spool
from agent.settings import Settings
from agent.work.cancels import Cancels
from agent.work.delivery import Courier
from agent.work.encode_checkpoints import EncodeCheckpoints
from agent.work.failures import Failures
from agent.work.inflight import InFlight
from agent.work.job import Job
from agent.work.job_runner import JobRunner
from agent.work.maker import Maker
from agent.work.owner_outages import OwnerOutages
from agent.work.posters import PosterMaker
from agent.work.progress import ProgressReporter
from agent.work.recordings import Recordings
from clipping.bus.connection import subscriber_client
from clipping.bus.provision import provision
from clipping.bus.publisher import Publisher
from clipping.bus.topology import topology
from clipping.clock import Clock, ManualClock, SystemClock
from clipping.config import validate
from clipping.contract.messages import CompletionMessage, ProgressMessage, RequestMessage, parse_clip_request
from clipping.contract.reel import ReelMessage, WorkMessage, parse_reel_request
from clipping.errors import GivenBack
from clipping.ids import new_reel_id, new_request_id
from clipping.store.local import LocalStore
from clipping.store.owners import OwnerStores
from clipping.store.readers import SourceReaders
from health.lease.guard import Guard
from tests.support.media import Recording, make
from tests.support.waiting import eventually

DEADLINE = 20.0
EPOCH = 7


class RunsOut(ManualClock):
    """Stops the clock for this many reads of the lease; at the next one the lease has expired."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: float = math.inf

    def monotonic(self) -> float:
        self.looks -= 1
        if self.looks < 0:
            self.advance(DEADLINE)
        return super().monotonic()


def report_wait(progress: ProgressReporter, request_id: str) -> None:
    """Report that a clip waits to be retried, which is published at once."""
    progress.report(
        ProgressMessage(
            request_id=request_id,
            stage="retrying",
            progress_percent=0.0,
            agent_id="nas-1",
            epoch=EPOCH,
            attempt=1,
            seq=1,
        )
    )


class Bench:
    """One clip's steps with all their real parts, under a lease whose clock the test holds."""

    def __init__(self, folder: Path, engine: Engine, **settings: object) -> None:
        """`settings`: more sections of the configuration. Without `cutting` no posters are made."""
        (folder / "nas").mkdir()
        shutil.copy(make(Recording(seconds=60)), folder / "nas" / "night.mp4")
        self.recording = folder / "nas" / "night.mp4"
        project = f"test-{secrets.token_hex(6)}"
        config = validate(
            {
                "agent": {"nas_roots": [{"path": str(folder / "nas")}], "state_dir": str(folder / "state")},
                "pubsub": {"project": project},
                "storage": {"path": str(folder / "store")},
                "cutting": {"poster": False},
                **settings,
            }
        )
        provision(project, topology(config))
        self.settings = Settings(config, lambda: config)
        self._spool = Spool(folder / "state", min_free_bytes=0)
        self.store = LocalStore(folder / "store", public_url="http://127.0.0.1")
        stores = OwnerStores(config, self.store)
        self._publisher = Publisher(project, timeout_seconds=20)
        self._path = f"projects/{project}/subscriptions/clipping-api-"
        self._progress_topic = config.pubsub.progress_topic
        self.progress = self.reporter(SystemClock())
        self.progress.start()
        self.reported: list[ProgressMessage] = []
        """What `progressed` has pulled so far."""
        self._subscriber: SubscriberClient = subscriber_client()
        self.clock = RunsOut()
        self.guard = Guard(self.clock, DEADLINE)
        self.guard.renewed(EPOCH, self.clock.monotonic())
        self._folder = folder
        courier = Courier(stores, agent_id="nas-1", signed_url_seconds=60, short_seconds=30)
        self.runner = JobRunner(
            settings=self.settings,
            clock=SystemClock(),
            maker=Maker(
                engine,
                EncodeCheckpoints(
                    self.settings,
                    Checkpoints(folder / "state", most_bytes=config.checkpoints.max_bytes),
                    self.guard,
                    SystemClock(),
                ),
                Recordings(
                    self.settings,
                    engine,
                    MountMemory(),
                    stores,
                    SourceReaders(config),
                ),
            ),
            spool=self._spool,
            failures=Failures(folder / "state"),
            courier=courier,
            posters=PosterMaker(engine, courier),
            outages=OwnerOutages(stores, "nas-1", SystemClock()),
            cancels=Cancels(self.store, InFlight()),
            publisher=self._publisher,
            progress=self.progress,
            guard=self.guard,
        )

    def keep_free(self, size: int) -> None:
        """Have the agent keep `size` bytes of its disk free from now on, apart from what the spool takes."""
        agent = self.settings.current.agent.model_copy(update={"min_free_bytes": size})
        self.settings.current = self.settings.current.model_copy(update={"agent": agent})

    def reporter(self, clock: Clock) -> ProgressReporter:
        """Another reporter, not started."""
        return ProgressReporter(self._publisher, self._progress_topic, clock)

    def spool_of(self, message: WorkMessage) -> Path:
        return self._folder / "state" / "spool" / message.request_id

    def checkpoints_of(self, message: WorkMessage) -> Path:
        return self._folder / "state" / "checkpoints" / message.request_id

    def message(self, **fields: object) -> RequestMessage:
        now = datetime.now(UTC)
        body = {"hand_id": "h", "nas_video_path": str(self.recording), "start_seconds": 1, "end_seconds": 3}
        request = parse_clip_request({**body, **fields}, max_clip_seconds=600)
        return RequestMessage.of(request, request_id=new_request_id(now), owner="t", requested_at=now)

    def reel(self, *parts: dict[str, object], **fields: object) -> ReelMessage:
        """Parts of `night.mp4`, unless they name another recording."""
        now = datetime.now(UTC)
        clips = [{"nas_video_path": str(self.recording), **part} for part in parts]
        body = {"reel_id": "best", "clips": clips, **fields}
        request = parse_reel_request(body, max_reel_seconds=1800, max_clip_seconds=600)
        return ReelMessage.of(request, request_id=new_reel_id(now), owner="t", requested_at=now)

    def published(self) -> list[CompletionMessage]:
        return [CompletionMessage.from_json(data) for data in self._pull("complete")]

    def progressed(self) -> list[ProgressMessage]:
        """The progress messages published so far."""
        self.reported += [ProgressMessage.from_json(data) for data in self._pull("progress")]
        return self.reported

    def waits(self) -> list[ProgressMessage]:
        """Those that say that the clip waits."""
        return [message for message in self.progressed() if message.stage == "retrying"]

    def _pull(self, kind: str) -> list[bytes]:
        path = self._path + kind
        try:
            answer = self._subscriber.pull(subscription=path, max_messages=10, timeout=1, retry=None)
        except DeadlineExceeded:
            return []
        ids = [one.ack_id for one in answer.received_messages]
        if kind == "progress" and ids:
            self._subscriber.acknowledge(subscription=path, ack_ids=ids, timeout=10)
        return [bytes(one.message.data) for one in answer.received_messages]

    def clips(self) -> list[str]:
        return [info.key for info in self.store.list("clips/").objects]

    def reels(self) -> list[str]:
        return [info.key for info in self.store.list("reels/").objects]

    def break_signing(self) -> None:
        """The store takes clips, and no link can be signed."""
        (self._folder / "store" / "signing.key").write_text("damaged")

    def mend_signing(self) -> None:
        (self._folder / "store" / "signing.key").unlink()

    @contextmanager
    def when_uploaded(self, act: Callable[[], None]) -> Iterator[None]:
        """Call `act` once a clip is in the store."""

        def wait() -> None:
            eventually(lambda: self.clips() or self.reels(), "the upload")
            act()

        thread = threading.Thread(target=wait)
        thread.start()
        yield
        thread.join(90)

    def attempt(
        self, message: WorkMessage, job: Job, meanwhile: Callable[[], None]
    ) -> CompletionMessage | BaseException:
        """The completion or the error of an attempt, during which `meanwhile` is called."""
        ends: list[CompletionMessage | BaseException] = []

        def run() -> None:
            try:
                ends.append(self.runner.run(message, job, attempt=1))
            except GivenBack as error:
                ends.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        meanwhile()
        thread.join(90)
        return ends[0]

    def run_until_uploaded(self, message: WorkMessage, job: Job) -> CompletionMessage:
        """Run, and ask for the clip back once it is in the store."""
        with self.when_uploaded(job.give_back):
            return self.runner.run(message, job, attempt=1)

    def close(self) -> None:
        self.progress.close()
        self._publisher.close()
        self._subscriber.transport.close()
        self._spool.close()
