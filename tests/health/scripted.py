"""Calls whose outcome a test decides, on a clock that it moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from clipping.errors import ClippingError, StoreUnavailable

T = TypeVar("T")
Fate = Literal["done", "lost", "done unanswered", "done refused", "done twice"]


class ScriptedCall(Generic[T]):
    def __init__(self) -> None:
        self.done = False
        self._value: T
        self._error: Exception | None = None

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value

    def make(self, call: Callable[[], T], *, answer: bool = True, refuse: bool = False) -> None:
        try:
            value = call()
        except (ClippingError, OSError) as error:
            if answer:
                self._error, self.done = error, True
            return
        if refuse:
            self._error, self.done = StoreUnavailable("503"), True
        elif answer:
            self._value, self.done = value, True


class ScriptedCalls:
    """Each call has the next fate; `done` when there is none left. Lost calls can arrive later: `arrive`."""

    def __init__(self, *fates: Fate) -> None:
        self.fates = list(fates)
        self.names: list[str] = []
        self._late: list[tuple[ScriptedCall[object], Callable[[], object]]] = []

    def submit(self, name: str, call: Callable[[], T]) -> ScriptedCall[T]:
        self.names.append(name)
        pending: ScriptedCall[T] = ScriptedCall()
        match self.fates.pop(0) if self.fates else "done":
            case "done":
                pending.make(call)
            case "lost":
                self._late.append((pending, call))  # type: ignore[arg-type]
            case "done unanswered":
                pending.make(call, answer=False)
            case "done refused":
                pending.make(call, refuse=True)
            case "done twice":
                ScriptedCall[T]().make(call)
                pending.make(call)
        return pending

    def arrive(self) -> None:
        """Lost calls arrive after all; their callers have stopped waiting."""
        late, self._late = self._late, []
        for pending, call in late:
            pending.make(call)
