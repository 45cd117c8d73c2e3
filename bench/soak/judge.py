"""What must be true after a soak. Pure: decides on records, touches nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

COMPLETED, CANCELLED = "completed", "cancelled"
FRAME = 0.05
"""Of the recordings' 25 frames a second, and a little for sound, whose frames end elsewhere."""
TOLERANCE = 0.1


def failed(code: str) -> str:
    """How an outcome that is an error is written."""
    return f"failed {code}"


@dataclass(frozen=True)
class Expected:
    """What a request deserves, whatever breaks meanwhile."""

    outcomes: frozenset[str]
    """`completed`, `cancelled`, or `failed CODE`."""
    seconds: float = 0.0
    """How long the clip is to be."""
    most_lead: float = 0.0
    """How much longer a copied clip may be, as it begins on a keyframe."""


@dataclass(frozen=True)
class Got:
    """A downloaded clip."""

    size: int
    sha256: str
    seconds: float


@dataclass
class Case:
    """One accepted request and everything that was seen of it."""

    request_id: str
    kind: str
    expected: Expected
    ends: list[str] = field(default_factory=list)
    """The terminal outcomes that the API reported, in order, without repetitions."""
    message: str = ""
    attempt: int = 0
    published: Counter[str] = field(default_factory=Counter)
    """How often agents published each terminal status."""
    size: int | None = None
    sha256: str | None = None
    seconds: float | None = None
    lead: float = 0.0
    objects: int = 0
    """Clips in the store."""
    streamed: str | None = None
    """The last status of its event stream, where one was followed."""
    got: Got | None = None
    problem: str = ""
    """Why it could not be downloaded."""


@dataclass(frozen=True)
class Leading:
    """An agent that answered as the leader with a valid guard."""

    asked: float
    answered: float
    agent: str
    epoch: int


@dataclass(frozen=True)
class Violation:
    """Something that must not be."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def overridden(case: Case) -> bool:
    """Whether it was cancelled while the API did not yet know that the clip was finished: by the contract, a
    completion overrides that. It is counted, and not a violation."""
    return case.ends == [CANCELLED, COMPLETED]


def judge_case(case: Case) -> list[Violation]:
    """What is wrong with one request."""
    who = f"{case.request_id} ({case.kind})"
    if not case.ends:
        return [Violation("no end", who)]
    found = []
    if len(case.ends) > 1 and not overridden(case):
        found.append(Violation("more than one end", f"{who}: {' then '.join(case.ends)}"))
    outcome = case.ends[-1]
    if outcome not in case.expected.outcomes:
        wanted = " or ".join(sorted(case.expected.outcomes))
        detail = f"attempt {case.attempt}: {case.message}" if case.message else f"attempt {case.attempt}"
        found.append(Violation("wrong end", f"{who}: {outcome} instead of {wanted} ({detail})"))
    statuses = {status for status, count in case.published.items() if count}
    if statuses - {outcome.split()[0]}:
        found.append(Violation("other ends published", f"{who}: {outcome}, published {dict(case.published)}"))
    if case.streamed is not None and case.streamed != outcome.split()[0]:
        found.append(Violation("event stream", f"{who}: {outcome}, streamed {case.streamed}"))
    wanted_objects = 1 if outcome == COMPLETED else 0
    if case.objects != wanted_objects:
        found.append(Violation("clips in the store", f"{who}: {outcome}, {case.objects} clips"))
    if outcome == COMPLETED:
        found += _judge_clip(case, who)
    return found


def _judge_clip(case: Case, who: str) -> list[Violation]:
    if case.got is None:
        return [Violation("download", f"{who}: {case.problem or 'not downloaded'}")]
    found = []
    if (case.got.size, case.got.sha256) != (case.size, case.sha256):
        reported = f"{case.size} bytes, {case.sha256}"
        found.append(
            Violation("download", f"{who}: {case.got.size} bytes, {case.got.sha256}, not {reported}")
        )
    if case.seconds is None or abs(case.got.seconds - case.seconds) > TOLERANCE:
        found.append(
            Violation("duration", f"{who}: lasts {case.got.seconds:.3f} s, reported {case.seconds} s")
        )
    over = case.got.seconds - case.lead - case.expected.seconds
    if not -FRAME - TOLERANCE <= over <= FRAME + TOLERANCE:
        wanted = f"{case.expected.seconds:.3f} s + {case.lead:.3f} s of lead"
        found.append(Violation("duration", f"{who}: lasts {case.got.seconds:.3f} s instead of {wanted}"))
    if case.lead > case.expected.most_lead + TOLERANCE:
        found.append(Violation("lead", f"{who}: {case.lead:.3f} s, {case.expected.most_lead:.3f} s at most"))
    return found


def judge_leaders(seen: Sequence[Leading]) -> list[Violation]:
    """Whether two agents had a valid guard at a time.

    Epochs only grow. Once an agent has answered as the leader of an epoch, an agent that is asked later and
    answers as the leader of an earlier epoch still trusts a guard that is over. One that was asked before may
    have decided on its answer before, however late that came.
    """
    found = []
    for number, later in enumerate(seen):
        for earlier in seen[:number]:
            superseded = earlier.epoch > later.epoch and earlier.answered < later.asked
            shared = earlier.epoch == later.epoch and earlier.agent != later.agent
            if superseded or shared:
                found.append(Violation("two leaders", f"{earlier} and {later}"))
                break
    return found


def highest_first(seen: Iterable[Leading]) -> list[Leading]:
    """`seen` in the order of the answers, with only the first and the last of each agent's epochs: enough for
    `judge_leaders`, which compares every pair."""
    spans: dict[tuple[str, int], list[Leading]] = {}
    for one in seen:
        spans.setdefault((one.agent, one.epoch), []).append(one)
    kept = [end for span in spans.values() for end in (span[0], span[-1])]
    return sorted(kept, key=lambda one: one.answered)


def judge_epochs(epochs: Sequence[int]) -> list[Violation]:
    """The lease's epochs in the order seen, without repetitions."""
    return [
        Violation("epoch", f"{later} after {earlier}")
        for earlier, later in pairwise(epochs)
        if later <= earlier
    ]


def judge_versions(versions: Mapping[str, set[str]]) -> list[Violation]:
    """`versions` of each clip's object, as seen again and again."""
    return [
        Violation("overwritten", f"{key}: {len(found)} versions")
        for key, found in versions.items()
        if len(found) > 1
    ]
