"""The lanes: one subscription each, with slots of its own, whose messages become jobs.

Settling a message: acknowledged once its completion is published. When another attempt may do better, it is
released (the subscription's retry policy brings it again later) or, in an outage, kept until that is over.
A message that can't be parsed is published to the dead letter topic at once instead of twenty times.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from agent.metrics import CLIPS, SECONDS
from agent.work.completed_counter import CompletedCounter
from agent.work.deferred import HOLD_SECONDS, Deferred, cause
from agent.work.inflight import InFlight
from agent.work.job import Job
from agent.work.job_runner import JobRunner
from agent.work.job_state import ENDED, State
from agent.work.kinds import recordings
from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery, StreamState, Subscription
from clipping.config import Config
from clipping.contract.messages import CompletionMessage
from clipping.contract.reel import WorkMessage, parse_work
from clipping.errors import BusUnavailable, GivenBack, InvalidRequest, TransientError
from clipping.log import get_logger

log = get_logger(__name__)

ACKNOWLEDGE_SECONDS = 10.0
LEASE_MARGIN_SECONDS = 900.0
"""On top of the longest cut: probing, verifying, uploading, and waiting out an outage."""


class Lanes:
    """Pulls requests and works on them. `open` and `shut` may alternate; `close` is final."""

    def __init__(
        self,
        config: Config,
        runner: JobRunner,
        publisher: Publisher,
        in_flight: InFlight,
        deferred: Deferred,
        completed: CompletedCounter,
    ) -> None:
        self._agent_id = config.agent.id
        self._dead_letter_topic = config.pubsub.dead_letter_topic
        self._runner = runner
        self._publisher = publisher
        self._in_flight = in_flight
        self._deferred = deferred
        self._completed = completed
        self.longest_seconds = config.cutting.time_limit_seconds + LEASE_MARGIN_SECONDS
        """How long one clip may be in flight."""
        self._lock = threading.Lock()
        self._unfinished = 0
        slots, names = config.agent.slots, config.pubsub
        self._subscriptions = {
            lane: Subscription(
                names.project,
                name,
                slots=count,
                handler=self._handle,
                max_lease_seconds=self.longest_seconds + HOLD_SECONDS,
                lease_seconds=names.lease_seconds,
                thread_name=f"lane-{lane}",
            )
            for lane, name, count in (
                ("interactive", names.worker_subscription, slots.interactive),
                ("batch", names.batch_subscription, slots.batch),
            )
            if count
        }

    def open(self) -> None:
        """Start, or resume, pulling."""
        self._in_flight.open()
        for subscription in self._subscriptions.values():
            subscription.start()

    def shut(self) -> None:
        """Take nothing new; what is in flight goes on."""
        self._in_flight.shut()
        for subscription in self._subscriptions.values():
            subscription.stop_pulling()

    def states(self) -> dict[str, StreamState]:
        """The state of each lane's stream."""
        return {lane: subscription.state for lane, subscription in self._subscriptions.items()}

    @property
    def unfinished(self) -> int:
        """How many attempts have ended without a completion so far, for whatever reason."""
        return self._unfinished

    def heartbeat_age(self) -> float:
        """Seconds since the slowest of the threads that keep the streams open made progress."""
        ages = [subscription.heartbeat_age() for subscription in self._subscriptions.values()]
        return max(*ages, self._deferred.heartbeat_age())

    def give_back(self) -> None:
        """Give all deferred messages back. Returns at once."""
        self._deferred.give_back()

    def waiting(self) -> Mapping[str, int]:
        """The number of deferred clips, by the failing checks."""
        return self._deferred.waiting()

    def close(self, timeout: float) -> bool:
        """Wait until the handlers are done, and close the streams; whether they finished in time."""
        self.shut()
        drained = [subscription.drain(timeout) for subscription in self._subscriptions.values()]
        for subscription in self._subscriptions.values():
            subscription.close()
        return all(drained)

    def _handle(self, delivery: Delivery) -> None:
        try:
            message = parse_work(delivery.data)
        except InvalidRequest as error:
            self._refuse(delivery, error)
            return
        entered = self._in_flight.enter(message.request_id, self._runner.clock.monotonic())
        if entered is None:
            delivery.release()
            return
        job, mine = entered
        if not mine:
            log.info("clip.joined", request_id=message.request_id)
            job.wait(self.longest_seconds, *ENDED)
        elif self._work(delivery, message, job):
            return
        if job.state is not State.COMPLETED:
            delivery.release()
            return
        try:
            delivery.acknowledge(ACKNOWLEDGE_SECONDS)
        except BusUnavailable as error:
            # Redelivered, it is adopted and completed a second time, which is harmless.
            log.warning("clip.not_acknowledged", request_id=message.request_id, error=error.message)

    def _work(self, delivery: Delivery, message: WorkMessage, job: Job) -> bool:
        """Run a job until it has ended; whether its delivery is kept for later."""
        try:
            completion = self._run(delivery, message, job)
            job.complete()
            self._count(completion)
        except GivenBack:
            log.warning("clip.given_back", request_id=message.request_id, attempt=delivery.attempt)
        except TransientError as error:
            if self._kept(delivery, message, job, error):
                return True
            log.warning(
                "clip.released",
                request_id=message.request_id,
                attempt=delivery.attempt,
                code=error.code,
                error=error.message,
            )
        finally:
            if job.state is not State.COMPLETED:
                with self._lock:
                    self._unfinished += 1
            if job.state not in ENDED:
                job.release()
        return False

    def _run(self, delivery: Delivery, message: WorkMessage, job: Job) -> CompletionMessage:
        try:
            return self._runner.run(message, job, attempt=delivery.attempt)
        finally:
            self._in_flight.leave(job)

    def _kept(self, delivery: Delivery, message: WorkMessage, job: Job, error: TransientError) -> bool:
        """Whether the message is kept until the outage that `error` comes from is over."""
        roots = self._runner.settings.current.agent.nas_roots
        names = self._runner.outages.causes(message.owner, error) or cause(
            error, recordings(message, error), roots
        )
        report = self._runner.reporter(message, job, delivery.attempt)
        return self._deferred.keep(delivery, job, error, report, names)

    def _refuse(self, delivery: Delivery, error: InvalidRequest) -> None:
        log.error("message.refused", message_id=delivery.message_id, error=error.message)
        attributes = {
            **dict(delivery.attributes),
            "refused_by": self._agent_id,
            "refused_because": error.message.encode("ascii", "replace").decode()[:1000],
        }
        self._publisher.publish(self._dead_letter_topic, delivery.data, attributes)
        delivery.acknowledge(ACKNOWLEDGE_SECONDS)

    def _count(self, completion: CompletionMessage) -> None:
        code = completion.error.code if completion.error else ""
        CLIPS.labels(completion.status, code).inc()
        if completion.status == "completed":
            self._completed.add()
        if completion.processing_time_seconds is not None:
            SECONDS.observe(completion.processing_time_seconds)
