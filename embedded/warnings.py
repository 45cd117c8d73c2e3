"""What the agents report about themselves, as warnings for the terminal: each once, and when it is over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_FIGURES = re.compile(r"\b\d+(?:\.\d+)?(?= (?:MB|s)\b)|(?<=: )\d+$")
LOOKS = 2
"""So often in a row a reason is seen before it is shown: some pass at once, as at a start or a handover."""


class Warnings:
    """Compares what is reported now with what was shown before. Does no I/O."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._shown: dict[str, str] = {}

    def news(self, reported: Mapping[str, Sequence[str]]) -> list[str]:
        """Lines to show. `reported`: the reasons of each agent."""
        now = summary(reported)
        self._seen = {kind: self._seen.get(kind, 0) + 1 for kind in now}
        over = [text for kind, text in self._shown.items() if kind not in now]
        new = {
            kind: text for kind, text in now.items() if kind not in self._shown and self._seen[kind] >= LOOKS
        }
        self._shown = {kind: text for kind, text in self._shown.items() if kind in now} | new
        return [f"warning: {text}" for text in new.values()] + [f"resolved: {text}" for text in over]


def summary(reported: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each reason with the agents that report it, by its kind. Those that only follow from another one are
    left out."""
    agents: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for agent, reasons in reported.items():
        for reason in _causes(reasons):
            agents.setdefault(_kind(reason), []).append(agent)
            texts.setdefault(_kind(reason), reason)
    return {kind: f"{text} ({', '.join(agents[kind])})" for kind, text in texts.items()}


def _causes(reasons: Sequence[str]) -> Iterable[str]:
    """`nobody leads: … nas /nas: …` repeats `nas /nas: …`."""
    return (each for each in reasons if not any(other != each and other in each for other in reasons))


def _kind(text: str) -> str:
    """The same for texts that differ in their figures only, such as the free space on a disk."""
    return _FIGURES.sub("#", text)
