"""Turns the problems that agents report into terminal warnings: each is printed once, and once resolved."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_FIGURES = re.compile(r"\b\d+(?:\.\d+)?(?= (?:MB|s)\b)|(?<=: )\d+$")
MIN_REPEATS = 2
"""Consecutive polls with a problem before it is shown: some are transient, as at a start or a handover."""


class Warnings:
    """Compares the reported problems with the shown ones. Does no I/O."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._shown: dict[str, str] = {}

    def news(self, reported: Mapping[str, Sequence[str]]) -> list[str]:
        """The lines to print. `reported`: the problems of each agent."""
        now = summary(reported)
        self._seen = {kind: self._seen.get(kind, 0) + 1 for kind in now}
        over = [text for kind, text in self._shown.items() if kind not in now]
        new = {
            kind: text
            for kind, text in now.items()
            if kind not in self._shown and self._seen[kind] >= MIN_REPEATS
        }
        self._shown = {kind: text for kind, text in self._shown.items() if kind in now} | new
        return [f"warning: {text}" for text in new.values()] + [f"resolved: {text}" for text in over]


def summary(reported: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each problem with the agents that report it, by its kind. Consequences of other problems are
    omitted."""
    agents: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for agent, reasons in reported.items():
        for reason in _causes(reasons):
            agents.setdefault(_kind(reason), []).append(agent)
            texts.setdefault(_kind(reason), reason)
    return {kind: f"{text} ({', '.join(agents[kind])})" for kind, text in texts.items()}


def _causes(reasons: Sequence[str]) -> Iterable[str]:
    """The reasons, without those that contain another one: they are its consequences."""
    return (each for each in reasons if not any(other != each and other in each for other in reasons))


def _kind(text: str) -> str:
    """The text without its figures, such as the free space on a disk."""
    return _FIGURES.sub("#", text)
