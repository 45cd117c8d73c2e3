"""Sends requests of all kinds and polls each until it has finished."""

from __future__ import annotations

import hashlib
import random
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import av
import requests

from bench.soak.judge import COMPLETED, Case, Download, Expected, Violation, failed
from bench.soak.kinds import Kind, Request, deck
from bench.soak.stack import Stack
from clipping.client import Client, ClipStatus
from clipping.client.failures import ApiError, ClientError, Conflict, NoAnswer, NotFound, Refused, Unavailable
from clipping.client.transport import NO_RETRIES

SENDERS = 8
WATCHERS = 8
WATCH_SECONDS = 900.0
FOLLOW_SECONDS = 1.0
BATCH = 3
DOWNLOAD_TRIES = 5


class Load:
    """The load. Its threads run from construction to `close`."""

    def __init__(self, stack: Stack, rng: random.Random, *, rate: float, most_open: int) -> None:
        self._stack, self._rng, self._rate, self._most_open = stack, rng, rate, most_open
        self.cases: dict[str, Case] = {}
        self.violations: list[Violation] = []
        self.sent: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()
        self.held_back = 0
        """How often a request was skipped because too many were open."""
        self._lock = threading.Lock()
        self._stop, self._end = threading.Event(), threading.Event()
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="send")
        self._watchers = ThreadPoolExecutor(WATCHERS, thread_name_prefix="watch")
        self._clients = threading.local()
        self._sending: list[Future[None]] = []
        self._deck: list[Kind] = []
        self._pace = threading.Thread(target=self._send_all, name="pace", daemon=True)
        self._follower = threading.Thread(target=self._follow_all, name="follow", daemon=True)
        self._pace.start()
        self._follower.start()

    def open(self) -> list[Case]:
        """The requests without an outcome."""
        with self._lock:
            return [case for case in self.cases.values() if not case.ends]

    def stop(self) -> None:
        """Stop sending, and wait for the outstanding responses."""
        self._stop.set()
        self._pace.join()
        self._senders.shutdown()

    def close(self) -> None:
        """Stop the threads, once no request is open."""
        self._watchers.shutdown()
        for sending in self._sending:
            error = sending.exception()
            if error is not None:
                self._violate("soak", repr(error))
        self._end.set()
        self._follower.join()

    # Sending

    def _client(self) -> Client:
        client: Client | None = getattr(self._clients, "client", None)
        if client is None:
            client = self._clients.client = self._stack.client()
        return client

    def _send_all(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due += self._rng.expovariate(self._rate)
            if len(self.open()) >= self._most_open:
                self.held_back += 1
                continue
            if not self._deck:
                self._deck = deck(self._rng)
            kind = self._deck.pop()
            batch = [
                kind.make(self._rng, self._stack.roots) for _ in range(BATCH if kind.then == "batch" else 1)
            ]
            key, pause = f"soak-{self._rng.getrandbits(64):x}", self._rng.uniform(0.0, 4.0)
            self._sending.append(self._senders.submit(self._send, kind, batch, key, pause))

    def _send(self, kind: Kind, batch: list[Request], key: str, pause: float) -> None:
        try:
            match kind.then:
                case "refused":
                    self._send_invalid(kind, batch[0], key)
                case "batch":
                    self._send_batch(kind, batch, key)
                case _:
                    request_id = self._client().request(batch[0].clip, idempotency_key=key).request_id
                    self._accepted(request_id, kind, batch[0].expected)
                    if kind.then == "cancel":
                        self._stop.wait(pause)
                        self._cancel(request_id)
                    elif kind.then == "watch":
                        self._sending.append(self._watchers.submit(self._watch, request_id))
                    elif kind.then == "repeat":
                        self._repeat(request_id, batch[0], key)
            self.sent[kind.name] += 1
        except (NoAnswer, Unavailable) as error:
            self.unsent[error.code] += 1
        except ClientError as error:
            self._violate("answer", f"{kind.name}: {error.code} {error.message}")

    def _send_invalid(self, kind: Kind, request: Request, key: str) -> None:
        try:
            accepted = self._client().request(request.clip, idempotency_key=key)
        except Refused as error:
            if error.code != "INVALID_REQUEST":
                self._violate("answer", f"{kind.name}: {error.code} {error.message}")
        else:
            self._violate("answer", f"{kind.name}: accepted as {accepted.request_id}")

    def _send_batch(self, kind: Kind, batch: list[Request], key: str) -> None:
        answer = self._client().batch([request.clip for request in batch], idempotency_key=key)
        for item, request in zip(answer.items, batch, strict=True):
            if item.request_id is None:
                self._violate("answer", f"{kind.name}: {item.error}")
            else:
                self._accepted(item.request_id, kind, request.expected)

    def _watch(self, request_id: str) -> None:
        """Read the events to the last one. The client reconnects when the API is unavailable."""
        case = self.cases[request_id]
        case.streamed = "no final event"
        try:
            for event in self._client().events(request_id, timeout=WATCH_SECONDS):
                if event.final:
                    case.streamed = event.kind
        except ClientError as error:
            case.streamed = f"{error.code} {error.message}"

    def _repeat(self, request_id: str, request: Request, key: str) -> None:
        again = self._client().request(request.clip, idempotency_key=key)
        if again.request_id != request_id:
            self._violate("idempotency", f"{key}: {request_id}, then {again.request_id}")

    def _cancel(self, request_id: str) -> None:
        for _ in range(100):
            try:
                self._client().cancel(request_id)
            except Conflict:
                return  # already finished
            except (NoAnswer, Unavailable):
                time.sleep(1.0)
                continue
            return

    def _accepted(self, request_id: str, kind: Kind, expected: Expected) -> None:
        with self._lock:
            if request_id in self.cases:
                self._violate("idempotency", f"{request_id} was returned for two requests")
            self.cases[request_id] = Case(request_id, kind.name, expected)

    def _violate(self, rule: str, what: str) -> None:
        self.violations.append(Violation(rule, what))

    # Following

    def _follow_all(self) -> None:
        with self._stack.client(retries=NO_RETRIES) as client:
            while not self._end.wait(FOLLOW_SECONDS):
                for case in self.open():
                    self.follow(client, case)

    def follow(self, client: Client, case: Case) -> None:
        """Record the request's outcome, if it has finished."""
        try:
            status = client.status(case.request_id)
        except NotFound:
            self._violate("lost", f"{case.request_id} ({case.kind}) is unknown")
            return
        except (NoAnswer, Unavailable):
            return
        except ApiError as error:
            self._violate("answer", f"status: {error.code} {error.message}")
            return
        if status.finished:
            _record_outcome(case, status)

    def check_again(self) -> None:
        """Verify, after the faults, that outcomes are unchanged and that the API has no other requests."""
        with self._stack.client() as client:
            for case in self.cases.values():
                self.follow(client, case)
            strange = {clip.request_id for clip in client.clips()} - set(self.cases)
        if self.unsent:
            return  # the ids of unanswered requests are unknown
        for request_id in sorted(strange):
            self._violate("idempotency", f"{request_id} is a second clip of a request")

    def download_all(self) -> None:
        """Download every completed clip, as a client would."""
        done = [case for case in self.cases.values() if case.ends and case.ends[-1] == COMPLETED]
        with tempfile.TemporaryDirectory(prefix="soak-clips-") as folder, ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda case: self._download(case, Path(folder)), done))

    def _download(self, case: Case, folder: Path) -> None:
        for _ in range(DOWNLOAD_TRIES):
            try:
                url = self._client().download(case.request_id).download_url
                case.downloaded = _fetch(url, folder / case.request_id)
            except (ClientError, requests.RequestException, OSError) as error:
                case.problem = str(error)
            else:
                return


def _fetch(url: str, path: Path) -> Download:
    answer = requests.get(url, timeout=60)
    answer.raise_for_status()
    path.write_bytes(answer.content)
    with av.open(str(path)) as clip:
        seconds = (clip.duration or 0) / av.time_base
    path.unlink()
    return Download(len(answer.content), hashlib.sha256(answer.content).hexdigest(), seconds)


def _record_outcome(case: Case, status: ClipStatus) -> None:
    outcome = failed(status.error.code) if status.status == "failed" and status.error else str(status.status)
    if not case.ends or case.ends[-1] != outcome:
        case.ends.append(outcome)
    case.message = status.error.message if status.error else ""
    case.attempt = status.attempt or 0
    case.size, case.sha256, case.seconds = status.file_size_bytes, status.sha256, status.duration_seconds
    case.lead = status.report.keyframe_lead_seconds if status.report else 0.0
