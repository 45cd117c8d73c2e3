"""Accessibility rules, checked by axe-core in the page that a browser shows."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from tests.support.browser import Browser

SOURCE = "CLIPPING_AXE"
"""The environment variable with another axe.min.js, such as a newer one than that of the package."""
SERIOUS = ("serious", "critical")
_TARGETS = """
    return [...document.querySelectorAll('button, a[href], select, input')].filter((each) => {
      const {width, height} = each.getBoundingClientRect();
      if (!width || !height || each.closest('[inert], p, label, .skip, .link')) return false;
      return Math.min(width, height) < LEAST;
    }).map((each) => `${each.offsetWidth} x ${each.offsetHeight}: ${each.outerHTML.slice(0, 120)}`);
"""


def findings(browser: Browser) -> list[str]:
    """Serious and critical violations: the rule, its elements, and what axe says of the first one."""
    if not browser.script("return Boolean(window.axe)"):
        browser.script(_source())
    violations = browser.script(
        "return axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations)"
    )
    return [_described(each) for each in violations if each["impact"] in SERIOUS]


def _described(violation: dict[str, Any]) -> str:
    nodes = violation["nodes"]
    elements = ", ".join(str(each["target"]) for each in nodes[:5])
    return f"{violation['id']}: {elements}: {nodes[0]['failureSummary']}"


def small_targets(browser: Browser, least: int) -> list[str]:
    """Buttons, links and fields that are less than `least` CSS pixels high or wide. Not links within a text,
    and not fields with a label around them, which can be pressed as well. axe-core has a rule from 4.5 on."""
    found: list[str] = browser.script(_TARGETS.replace("LEAST", str(least)))
    return found


def _source() -> str:
    other = os.environ.get(SOURCE)
    return Path(other).read_text() if other else (files("axe_core_python") / "axe.min.js").read_text()
