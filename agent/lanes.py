"""The lanes: one subscription each, with slots of its own, feeding the job.

Settling a message: acknowledged once its completion is published; released (the subscription's retry policy
brings it again later) when another attempt may do better; a message that nobody can read is passed on to the
dead letter at once instead of twenty times.
"""

from __future__ import annotations

from collections.abc import Callable

from agent.inflight import InFlight, Work
from agent.job import Job
from agent.metrics import CLIPS, SECONDS
from clipping.bus.publisher import Publisher
from clipping.bus.subscriber import Delivery, StreamState, Subscription
from clipping.config import Config
from clipping.errors import BusUnavailable, Cancelled, InvalidRequest, TransientError
from clipping.log import get_logger
from clipping.messages import CompletionMessage, RequestMessage

log = get_logger(__name__)

ACKNOWLEDGE_SECONDS = 10.0
DRAIN_LOOK_SECONDS = 0.2
LEASE_MARGIN_SECONDS = 900.0
"""On top of the longest cut: probing, verifying, uploading, and waiting out an outage."""


class Lanes:
    """Pulls requests and works on them until drained."""

    def __init__(self, config: Config, job: Job, publisher: Publisher) -> None:
        self._config = config
        self._job = job
        self._publisher = publisher
        self.in_flight = InFlight()
        self._longest = config.cutting.time_limit_seconds + LEASE_MARGIN_SECONDS
        slots, names = config.agent.slots, config.pubsub
        self._subscriptions = {
            lane: Subscription(
                names.project,
                name,
                slots=count,
                handler=self._handle,
                max_lease_seconds=self._longest,
                lease_seconds=names.lease_seconds,
                thread_name=f"lane-{lane}",
            )
            for lane, name, count in (
                ("interactive", names.worker_subscription, slots.interactive),
                ("batch", names.batch_subscription, slots.batch),
            )
            if count
        }

    def start(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.start()

    def states(self) -> dict[str, StreamState]:
        """How each lane's stream is."""
        return {lane: subscription.state for lane, subscription in self._subscriptions.items()}

    def drain(self, timeout: float, *, hurry: Callable[[], bool]) -> bool:
        """Take nothing new; finish what is in hand, and give back what is not done after `timeout` seconds or
        when `hurry()`.

        True when everything was finished.
        """
        for subscription in self._subscriptions.values():
            subscription.stop_pulling()
        clock = self._job.clock
        deadline = clock.monotonic() + timeout
        while self.in_flight.works() and clock.monotonic() < deadline and not hurry():
            clock.sleep(DRAIN_LOOK_SECONDS)
        unfinished = self.in_flight.stop_all()
        if unfinished:
            log.warning("agent.gave_back", clips=unfinished)
        drained = [subscription.drain(ACKNOWLEDGE_SECONDS) for subscription in self._subscriptions.values()]
        return all(drained) and not unfinished

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()

    def _handle(self, delivery: Delivery) -> None:
        try:
            message = RequestMessage.from_json(delivery.data)
        except InvalidRequest as error:
            self._refuse(delivery, error)
            return
        work, mine = self.in_flight.enter(message.request_id)
        if mine:
            self._work(message, work, delivery.attempt)
        else:
            log.info("clip.joined", request_id=message.request_id)
            work.over.wait(self._longest)
        if not work.done:
            delivery.release()
            return
        try:
            delivery.acknowledge(ACKNOWLEDGE_SECONDS)
        except BusUnavailable as error:
            # It will come again, be adopted, and be completed a second time: harmless.
            log.warning("clip.not_acknowledged", request_id=message.request_id, error=error.message)

    def _work(self, message: RequestMessage, work: Work, attempt: int) -> None:
        done = False
        try:
            completion = self._job.run(message, work, attempt=attempt)
            _count(completion)
            done = True
        except (TransientError, Cancelled) as error:
            log.warning(
                "clip.released",
                request_id=message.request_id,
                attempt=attempt,
                code=error.code,
                error=error.message,
            )
        finally:
            self.in_flight.leave(work, done=done)

    def _refuse(self, delivery: Delivery, error: InvalidRequest) -> None:
        log.error("message.refused", message_id=delivery.message_id, error=error.message)
        attributes = {
            **dict(delivery.attributes),
            "refused_by": self._config.agent.id,
            "refused_because": error.message.encode("ascii", "replace").decode()[:1000],
        }
        self._publisher.publish(self._config.pubsub.dead_letter_topic, delivery.data, attributes)
        delivery.acknowledge(ACKNOWLEDGE_SECONDS)


def _count(completion: CompletionMessage) -> None:
    code = completion.error.code if completion.error else ""
    CLIPS.labels(completion.status, code).inc()
    if completion.processing_time_seconds is not None:
        SECONDS.observe(completion.processing_time_seconds)
