"""The console's screens in the states that tests inspect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.support.console import Console
from tests.support.waiting import eventually

Step = Callable[[Console], None]


@dataclass(frozen=True)
class Screen:
    """What tests need to know of a screen beyond its row in the console's own `SCREENS`.

    `ready` selects what is there once it is loaded. `opened` opens what is closed at first, such as a row or
    dialog, by the name of that state; a visit of another screen leaves it."""

    ready: str = "main h1"
    opened: dict[str, Step] = field(default_factory=dict)


def _report(console: Console) -> None:
    console.browser.script("document.querySelector('.report') || document.querySelector('[data-id]').click()")
    eventually(lambda: console.browser.count(".report .said p"), "the report")


def _no_hit(console: Console) -> None:
    console.browser.type("#find", "no such name")
    eventually(lambda: console.browser.count(".empty strong"), "what no recording has")


def _pause(console: Console) -> None:
    """For administrators: others read that the screen is not theirs."""
    if console.browser.count("#open-pause"):
        console.browser.script("document.getElementById('open-pause').click()")
        eventually(lambda: console.browser.count(".side-panel"), "the panel")


def _numbers(console: Console) -> None:
    console.browser.script(
        "document.querySelectorAll('.chart details:not([open]) summary').forEach((each) => each.click())"
    )
    eventually(lambda: console.browser.count(".numbers"), "the numbers")


ROWS = {
    "recordings": Screen(".card strong", {"nothing found": _no_hit}),
    "editor": Screen(".play"),
    "clips": Screen("[data-id]", {"report": _report}),
    "agents": Screen(opened={"pause": _pause}),
    "statistics": Screen(".drawing", {"numbers": _numbers}),
}
"""Screens without a row are ready with their heading, and have no other states."""


def ready(name: str) -> str:
    """A selector of what a screen has once it is loaded."""
    return ROWS.get(name, Screen()).ready


def visit(console: Console, *, opened: bool = False) -> Iterator[str]:
    """Show each screen of the rail, and yield its name; with `opened` also in each of its states."""
    for name in console.screens():
        console.show(name, ready(name))
        yield name
        steps = ROWS[name].opened if opened and name in ROWS else {}
        for state, step in steps.items():
            step(console)
            yield f"{name}, {state}"
