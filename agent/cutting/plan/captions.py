"""Which captions of a request a clip shows, and when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from agent.cutting.plan.speed import Speed
from clipping.contract.caption_file import Cue
from clipping.contract.caption_markup import Run, Style
from clipping.contract.effects import Effects

_MILLISECONDS = 1000


@dataclass(frozen=True)
class Caption:
    """Text that is shown. Times in seconds of the clip."""

    start: Fraction
    end: Fraction
    runs: tuple[Run, ...]

    @property
    def text(self) -> str:
        """Without styles."""
        return "".join(run.text for run in self.runs)


def captions_at(
    cues: Iterable[Cue], length: Fraction, *, lead: Fraction = Fraction(0), speed: Speed | None = None
) -> list[Caption]:
    """What a clip of `length` seconds shows, by start. Cues are cut off at its end.

    `lead`: seconds of the clip before the time that cues count from; `speed`: where the clip's speed changes.
    """
    found = []
    for cue in cues:
        start, end = (Fraction(at, _MILLISECONDS) for at in (cue.start, cue.end))
        if speed is not None:
            start, end = speed.at(start), speed.at(end)
        start, end = lead + start, min(lead + end, length)
        if start < end:
            found.append(Caption(start, end, cue.runs))
    return found


def one_at_a_time(captions: Sequence[Caption]) -> list[Caption]:
    """The same as captions that don't overlap: those that are shown together are one, the earlier above."""
    times = sorted({at for caption in captions for at in (caption.start, caption.end)})
    waiting, shown = list(reversed(captions)), list[Caption]()
    found = []
    for start, end in pairwise(times):
        while waiting and waiting[-1].start <= start:
            shown.append(waiting.pop())
        shown = [caption for caption in shown if caption.end > start]
        if shown:
            found.append(Caption(start, end, _joined(shown)))
    return found


def _joined(captions: Sequence[Caption]) -> tuple[Run, ...]:
    runs = captions[0].runs
    for caption in captions[1:]:
        runs = (*runs, Run("\n"), *caption.runs)
    return runs


def caption_warnings(effects: Effects, length: Fraction) -> tuple[str, ...]:
    """The report's warnings about the captions of a clip for which `length` seconds were requested."""
    if effects.captions is None:
        return ()
    file = effects.captions.read()
    lost = list(file.ignored)
    if effects.burned is not None and any(run.style != Style.PLAIN for cue in file.cues for run in cue.runs):
        lost.append("bold, italic and underlined text")
    found = [f"captions are shown without their {_list(lost)}"] if lost else []
    late = sum(cue.start >= length * _MILLISECONDS for cue in file.cues)
    if late:
        found.append(f"{late} of {len(file.cues)} captions begin after the end of the clip and are left out")
    return tuple(found)


def _list(nouns: Sequence[str]) -> str:
    *others, last = nouns
    return f"{', '.join(others)} and {last}" if others else last
