"""docs/reference/errors.md: codes and HTTP statuses from the classes; cause and fix are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import agent.commands.ctl
import agent.watch
import api.server.serving
import clipping.client
import clipping.release
import embedded.child
import health.page.server
from clipping import errors
from tests.docs.tables import DOCS, code, kept, table

MODULES = (
    agent.commands.ctl,
    agent.watch,
    api.server.serving,
    clipping.client,
    clipping.release,
    embedded.child,
    health.page.server,
)
"""Imported for the errors that they define beside those of `clipping.errors`."""
OURS = ("clipping", "health", "agent", "api", "embedded")
PAGE = DOCS / "reference" / "errors.md"
HEAD = """# Errors

Every error has a code that the API, the status of a clip, the log and the commands share.
`scripts/reference` takes the codes and statuses from `clipping.errors`; causes and fixes are written here.

A command prints `CODE: message` and exits with 1; a `CONFIGURATION` error exits with 78.
"""
ANSWERS = """## Answers of the API

The request was not carried out. `error.field` names the field to correct, where one is to blame; answers
that may succeed later carry `Retry-After`.
"""
FINAL = """## Clips that failed

The `error` of a request whose status is `failed`. Trying again gives the same result.
"""
RETRIED = """## Errors that are tried again

Shown as `last_error` while a clip's stage is `retrying`. After the last attempt they are the `error` of a
failed request. [How long that takes](../how-to/operate.md#outages).
"""
OTHER = """## Errors of commands

Printed by `clipping`, `clipping-agent` and `clipping-api`.
"""


def page() -> str:
    """The whole page, with the causes and fixes that it has."""
    texts = kept(PAGE, 2)
    answers = sorted(_leaves(errors.RequestError), key=lambda each: (each.status, each.code))
    shown = [(code(each.code), str(each.status), *_texts(texts, each)) for each in answers]
    parts = [HEAD, ANSWERS, table(["code", "HTTP", "cause", "fix"], shown)]
    for head, kinds in (
        (FINAL, _leaves(errors.PermanentError)),
        (RETRIED, _leaves(errors.TransientError)),
        (OTHER, others()),
    ):
        shown = sorted({(code(each.code), *_texts(texts, each)) for each in kinds})
        parts += [head, table(["code", "cause", "fix"], shown)]
    return "\n".join(parts)


def others() -> list[type[errors.ClippingError]]:
    """Those of no kind."""
    kinds = (errors.RequestError, errors.PermanentError, errors.TransientError)
    return [
        errors.ClippingError,
        *(each for each in _leaves(errors.ClippingError) if not issubclass(each, kinds)),
    ]


def all_codes() -> set[str]:
    """Every code."""
    return {each.code for each in [errors.ClippingError, *_leaves(errors.ClippingError)]}


def _texts(texts: dict[str, list[str]], error: type[errors.ClippingError]) -> Iterable[str]:
    return texts.get(code(error.code), ["", ""])


def _leaves(base: type[errors.ClippingError]) -> Iterator[type]:
    """Subclasses that have a code of their own, of our packages only."""
    for each in base.__subclasses__():
        if each.__module__.partition(".")[0] in OURS:
            if "code" in vars(each):
                yield each
            yield from _leaves(each)
