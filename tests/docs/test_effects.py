"""The effects that the pages show are accepted."""

from __future__ import annotations

import json
import re

import pytest

from clipping.contract.effects_forms import parse_effects
from tests.docs.tables import DOCS

HOW_TO = DOCS / "how-to"
EFFECTS = (HOW_TO / "effects.md").read_text(encoding="utf-8")
JOBS = (HOW_TO / "migrate-the-video-editor.md").read_text(encoding="utf-8")
FILES = re.findall(r"<<'JSON'\n(.*?)\nJSON$", EFFECTS, re.M | re.S)
BLOCKS = re.findall(r"^```json\n(.*?)^```", JOBS, re.M | re.S)


@pytest.mark.parametrize("text", [*FILES, *BLOCKS])
def test_an_example_is_accepted(text: str) -> None:
    effects, start, end = parse_effects(json.loads(text)).within(15)
    assert effects.names
    assert (start, end) == (0, 15)


def test_every_effect_has_an_example() -> None:
    shown = {name for text in FILES for name in json.loads(text)}
    assert shown == {"framing", "segments", "overlay", "title", "captions"}
    assert len(BLOCKS) == 3


def test_the_length_of_the_example_of_slow_motion_is_right() -> None:
    slow = next(text for text in FILES if "segments" in text)
    assert parse_effects(json.loads(slow)).effects.duration(5) == 6
    assert "1 + 2 / 0.5 + 2 / 2 = 6 seconds" in EFFECTS
