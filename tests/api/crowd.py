"""Many callers at once, who try again until they are answered."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from urllib3.exceptions import NewConnectionError

GIVE_UP_SECONDS = 180.0
NOT_SENT, NOT_ANSWERED = "not sent", "not answered"


@dataclass(frozen=True)
class Call:
    """One request for a clip. With a key it is sent again until it is answered; without one it is not."""

    body: dict[str, Any]
    key: str | None = None


@dataclass
class Crowd:
    """Sends the calls in the order given, from `callers` threads, to the addresses at random."""

    urls: Sequence[str]
    secret: str
    calls: Sequence[Call]
    callers: int
    seed: int

    outcomes: Counter[int | str] = field(default_factory=Counter)
    """How often each status code came, and how often none."""
    ids: dict[int, str] = field(default_factory=dict)
    """The request ids that were given out, by the call's place."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{self.seed}-{n}"),), name=f"caller-{n}")
            for n in range(self.callers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, timeout: float = GIVE_UP_SECONDS) -> None:
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        assert not self.busy, f"so far: {dict(self.outcomes)}"

    @property
    def busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, chance: random.Random) -> None:
        with requests.Session() as session:
            session.trust_env = False  # it would read the environment at each call, which pytest writes to
            session.headers["Authorization"] = f"Bearer {self.secret}"
            until = time.monotonic() + GIVE_UP_SECONDS
            while (place := self._take()) is not None and time.monotonic() < until:
                self._call(place, chance, lambda url, **options: session.post(url, timeout=20, **options))

    def _take(self) -> int | None:
        with self._lock:
            place = self._next
            self._next += 1
        return place if place < len(self.calls) else None

    def _call(self, place: int, chance: random.Random, post: Callable[..., requests.Response]) -> None:
        call = self.calls[place]
        headers = {"Idempotency-Key": call.key} if call.key else {}
        until = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < until:
            try:
                answer = post(f"{chance.choice(self.urls)}/v1/clip/request", json=call.body, headers=headers)
            except requests.RequestException as error:
                outcome = NOT_SENT if _refused(error) else NOT_ANSWERED
            else:
                outcome = answer.status_code
            with self._lock:
                self.outcomes[outcome] += 1
                if outcome in (200, 202):
                    self.ids[place] = answer.json()["request_id"]
            again = outcome in (NOT_SENT, 503) or (outcome == NOT_ANSWERED and call.key is not None)
            if not again:
                return
            time.sleep(chance.uniform(0.5, 1.5))


def _refused(error: requests.RequestException) -> bool:
    """Whether no server listened, so that the request can't have been accepted."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError)
