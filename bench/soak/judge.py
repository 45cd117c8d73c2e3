"""The guarantees that a soak test verifies. Pure: decides on records only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

COMPLETED, CANCELLED = "completed", "cancelled"
FRAME = 0.05
"""One frame at 25 frames per second, and a margin for audio frames, which end at other times."""
TOLERANCE = 0.1


def failed(code: str) -> str:
    """The outcome of a failed request."""
    return f"failed {code}"


@dataclass(frozen=True)
class Expected:
    """The acceptable results of a request, whatever the faults."""

    outcomes: frozenset[str]
    """`completed`, `cancelled`, or `failed CODE`."""
    seconds: float = 0.0
    """The requested duration."""
    most_lead: float = 0.0
    """How much longer a copy may be, because it begins on a keyframe."""


@dataclass(frozen=True)
class Download:
    """A downloaded clip."""

    size: int
    sha256: str
    seconds: float


@dataclass
class Case:
    """One accepted request and its observed results."""

    request_id: str
    kind: str
    expected: Expected
    ends: list[str] = field(default_factory=list)
    """The outcomes reported by the API, in order, without repetitions."""
    message: str = ""
    attempt: int = 0
    published: Counter[str] = field(default_factory=Counter)
    """How often agents published each final status."""
    size: int | None = None
    sha256: str | None = None
    seconds: float | None = None
    lead: float = 0.0
    objects: int = 0
    """Number of clips in the store."""
    streamed: str | None = None
    """The last status on its event stream, if it was watched."""
    downloaded: Download | None = None
    problem: str = ""
    """The error of its download."""


@dataclass(frozen=True)
class Leading:
    """A response of an agent as the leader with a valid guard."""

    asked: float
    answered: float
    agent: str
    epoch: int


@dataclass(frozen=True)
class Violation:
    """A broken guarantee."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def overridden(case: Case) -> bool:
    """Whether it was cancelled before the API received the completion, which by the contract overrides the
    cancel. Counted, but not a violation."""
    return case.ends == [CANCELLED, COMPLETED]


def judge_case(case: Case) -> list[Violation]:
    """The violations of one request."""
    who = f"{case.request_id} ({case.kind})"
    if not case.ends:
        return [Violation("no outcome", who)]
    found = []
    if len(case.ends) > 1 and not overridden(case):
        found.append(Violation("several outcomes", f"{who}: {' then '.join(case.ends)}"))
    outcome = case.ends[-1]
    if outcome not in case.expected.outcomes:
        wanted = " or ".join(sorted(case.expected.outcomes))
        detail = f"attempt {case.attempt}: {case.message}" if case.message else f"attempt {case.attempt}"
        found.append(Violation("wrong outcome", f"{who}: {outcome} instead of {wanted} ({detail})"))
    statuses = {status for status, count in case.published.items() if count}
    if statuses - {outcome.split()[0]}:
        found.append(
            Violation("other outcomes published", f"{who}: {outcome}, published {dict(case.published)}")
        )
    if case.streamed is not None and case.streamed != outcome.split()[0]:
        found.append(Violation("event stream", f"{who}: {outcome}, streamed {case.streamed}"))
    wanted_objects = 1 if outcome == COMPLETED else 0
    if case.objects != wanted_objects:
        found.append(Violation("clips in the store", f"{who}: {outcome}, {case.objects} clips"))
    if outcome == COMPLETED:
        found += _judge_clip(case, who)
    return found


def _judge_clip(case: Case, who: str) -> list[Violation]:
    if case.downloaded is None:
        return [Violation("download", f"{who}: {case.problem or 'not downloaded'}")]
    found = []
    if (case.downloaded.size, case.downloaded.sha256) != (case.size, case.sha256):
        reported = f"{case.size} bytes, {case.sha256}"
        found.append(
            Violation(
                "download", f"{who}: {case.downloaded.size} bytes, {case.downloaded.sha256}, not {reported}"
            )
        )
    if case.seconds is None or abs(case.downloaded.seconds - case.seconds) > TOLERANCE:
        found.append(
            Violation("duration", f"{who}: lasts {case.downloaded.seconds:.3f} s, reported {case.seconds} s")
        )
    over = case.downloaded.seconds - case.lead - case.expected.seconds
    if not -FRAME - TOLERANCE <= over <= FRAME + TOLERANCE:
        wanted = f"{case.expected.seconds:.3f} s + {case.lead:.3f} s of lead"
        found.append(
            Violation("duration", f"{who}: lasts {case.downloaded.seconds:.3f} s instead of {wanted}")
        )
    if case.lead > case.expected.most_lead + TOLERANCE:
        found.append(Violation("lead", f"{who}: {case.lead:.3f} s, {case.expected.most_lead:.3f} s at most"))
    return found


def judge_leaders(seen: Sequence[Leading]) -> list[Violation]:
    """Whether two agents had a valid guard at the same time.

    Epochs only increase. Once an agent has answered as the leader of an epoch, an agent that is asked later
    and answers as the leader of an earlier epoch trusts an expired guard. An agent that was asked earlier may
    have computed its response earlier, however late it arrived."""
    found = []
    for number, later in enumerate(seen):
        for earlier in seen[:number]:
            superseded = earlier.epoch > later.epoch and earlier.answered < later.asked
            shared = earlier.epoch == later.epoch and earlier.agent != later.agent
            if superseded or shared:
                found.append(Violation("two leaders", f"{earlier} and {later}"))
                break
    return found


def epoch_spans(seen: Iterable[Leading]) -> list[Leading]:
    """`seen` in the order of the responses, reduced to the first and the last of each agent and epoch:
    sufficient for `judge_leaders`, which compares every pair."""
    spans: dict[tuple[str, int], list[Leading]] = {}
    for one in seen:
        spans.setdefault((one.agent, one.epoch), []).append(one)
    kept = [end for span in spans.values() for end in (span[0], span[-1])]
    return sorted(kept, key=lambda one: one.answered)


def judge_epochs(epochs: Sequence[int]) -> list[Violation]:
    """Verify the lease's epochs, in the order observed, without repetitions."""
    return [
        Violation("epoch", f"{later} after {earlier}")
        for earlier, later in pairwise(epochs)
        if later <= earlier
    ]


def judge_versions(versions: Mapping[str, set[str]]) -> list[Violation]:
    """Verify the observed `versions` of each clip's object."""
    return [
        Violation("overwritten", f"{key}: {len(found)} versions")
        for key, found in versions.items()
        if len(found) > 1
    ]
