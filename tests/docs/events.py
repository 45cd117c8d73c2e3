"""docs/reference/log-events.md: events, levels and fields from the source; their meanings are kept."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.docs.tables import DOCS, ROOT, code, kept, table

PAGE = DOCS / "reference" / "log-events.md"
HEAD = """# Log events

A log line is the name of an event with key=value pairs: in the journal with the fields `EVENT` and
`CLIPPING_KEY`, as JSON lines, or as text (`log.format`). One line for each change of state.
`scripts/reference` takes names, levels and fields from the source; the meanings are written here.
"""
PARTS = {
    "agent": ("Agent", ("agent",)),
    "health": ("Agent: roles and health", ("health",)),
    "api": ("API", ("api",)),
    "embedded": ("Embedded Pub/Sub server", ("embedded",)),
    "clipping": ("Shared", ("clipping",)),
}
LEVELS = ("debug", "info", "warning", "error", "exception")
_EVENT = re.compile(r"[a-z_]+\.([a-z_]+|[A-Z]+)|audit")


@dataclass
class Event:
    """What is known of one event."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def page() -> str:
    """The whole page, with the meanings that it has."""
    meanings = kept(PAGE, 1)
    parts = [HEAD]
    for package, (title, _) in PARTS.items():
        rows = [
            (code(name), _levels(event), ", ".join(map(code, sorted(event.fields))), _meaning(meanings, name))
            for name, event in sorted(events(package).items())
        ]
        parts += [f"## {title}\n", table(["event", "level", "fields", "meaning"], rows)]
    return "\n".join(parts)


def _meaning(meanings: dict[str, list[str]], name: str) -> str:
    return next(iter(meanings.get(code(name), [])), "")


def _levels(event: Event) -> str:
    shown = {"error" if level == "exception" else level for level in event.levels}
    return ", ".join(level for level in LEVELS if level in shown)


@cache
def events(package: str) -> dict[str, Event]:
    """Those that a package logs."""
    found: dict[str, Event] = defaultdict(Event)
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
                _collect(function, found)
    return dict(found)


def _collect(function: ast.AST, found: dict[str, Event]) -> None:
    assigned = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(function):
        if not isinstance(call, ast.Call) or not call.args:
            continue
        levels = list(_logged_as(call.func, assigned))
        for name in _names(call.args[0], assigned) if levels else ():
            if _EVENT.fullmatch(name):
                found[name].levels |= set(levels)
                found[name].fields |= {each.arg for each in call.keywords if each.arg is not None}


def _logged_as(func: ast.expr, assigned: dict[str, ast.expr]) -> Iterator[str]:
    """The levels of a call, if it is one of a logger."""
    match func:
        case ast.Attribute(value=ast.Name(id="log" | "_log"), attr=level) if level in LEVELS:
            yield level
        case ast.IfExp(body=one, orelse=other):
            yield from _logged_as(one, assigned)
            yield from _logged_as(other, assigned)
        case ast.Name(id=name) if name in assigned and not isinstance(assigned[name], ast.Name):
            yield from _logged_as(assigned[name], {})


def _names(expression: ast.expr, assigned: dict[str, ast.expr]) -> Iterator[str]:
    """What an event's name can be; the part that is known only when it runs, in capitals."""
    match expression:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=one, orelse=other):
            yield from _names(one, assigned)
            yield from _names(other, assigned)
        case ast.BinOp(left=ast.Constant(value=str(text)), right=ast.Attribute(attr=attribute)):
            yield text + attribute.upper()
        case ast.Name(id=name) if name in assigned:
            yield from _names(assigned[name], {})
