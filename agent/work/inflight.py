"""The clips in flight in this agent. A message that is delivered twice joins the job of its first copy."""

from __future__ import annotations

import threading

from agent.work.job import Job


class InFlight:
    """The clips in flight, by request id. Thread-safe. Closed until `open`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._open = False

    def open(self) -> None:
        """Take new clips from now on."""
        with self._lock:
            self._open = True

    def shut(self) -> None:
        """Take no new clips. Those in flight go on."""
        with self._lock:
            self._open = False

    def enter(self, request_id: str, now: float) -> tuple[Job, bool] | None:
        """The job for this request, and whether it is new, for the caller to run. None while closed."""
        with self._lock:
            if not self._open:
                return None
            job = self._jobs.get(request_id)
            if job is not None:
                return job, False
            job = self._jobs[request_id] = Job(request_id, now)
            return job, True

    def leave(self, job: Job) -> None:
        """The job is no longer in flight. The caller sets its final state."""
        with self._lock:
            del self._jobs[job.request_id]

    def give_back_all(self) -> int:
        """Ask for all clips to be given back; how many there were."""
        with self._lock:
            for job in self._jobs.values():
                job.give_back()
            return len(self._jobs)

    def wind_down_all(self, until: float | None) -> None:
        """All clips are going to be given back at `until`, on `time.monotonic`; None: not any more."""
        for job in self.jobs():
            job.wind_down(until)

    def jobs(self) -> list[Job]:
        """The jobs in flight now."""
        with self._lock:
            return list(self._jobs.values())
