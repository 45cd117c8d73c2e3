"""Reloads: the keys that apply at once, those that need a restart, and invalid files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from agent.settings import LIVE, Settings
from clipping.config import Config, validate
from clipping.errors import ConfigurationError


class File:
    """A configuration file that the test rewrites."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree

    def load(self) -> Config:
        return validate(self.tree)


def test_live_keys_take_effect_and_others_are_named() -> None:
    file = File({"agent": {"id": "a", "slots": {"batch": 1}}, "log": {"level": "info"}})
    settings = Settings(file.load(), file.load)
    followed: list[Config] = []
    settings.follow(followed.append)
    file.tree = {
        "agent": {"id": "a", "slots": {"batch": 2}, "nas_roots": [{"path": "/n", "marker": ".m"}]},
        "log": {"level": "debug"},
        "limits": {"max_clip_seconds": 60},
        "ha": {"drain_seconds": 7},
    }
    done = settings.reload()
    assert done.applied == ("agent.nas_roots", "log.level")
    assert done.needs_restart == ("agent.slots.batch", "ha.drain_seconds")  # limits are the API's
    now = settings.current
    assert (now.log.level, now.ha.drain_seconds, now.agent.slots.batch) == ("debug", 300, 1)
    assert [(root.path, root.marker) for root in now.agent.nas_roots] == [("/n", ".m")]
    assert followed == [now]


def test_how_long_vertical_clips_are_kept_needs_a_restart() -> None:
    file = File({})
    settings = Settings(file.load(), file.load)
    file.tree = {"limits": {"short_retention_hours": 5, "shorts_per_day": 3}}
    assert settings.reload().needs_restart == ("limits.short_retention_hours",)


def test_a_reload_without_a_change_calls_no_follower() -> None:
    file = File({"agent": {"id": "a"}})
    settings = Settings(file.load(), file.load)
    settings.follow(lambda _: pytest.fail("nothing has changed"))
    done = settings.reload()
    assert (done.applied, done.needs_restart) == ((), ())


def test_an_invalid_file_changes_nothing_and_every_problem_is_named() -> None:
    file = File({"agent": {"id": "a"}, "log": {"level": "info"}})
    settings = Settings(file.load(), file.load)
    before = settings.current
    file.tree = {"agent": {"id": "a", "slots": 3}, "log": {"level": "loud"}, "nonsense": 1}
    with pytest.raises(ConfigurationError) as caught:
        settings.reload()
    assert {problem.partition(":")[0] for problem in caught.value.problems} == {
        "agent.slots",
        "log.level",
        "nonsense",
    }
    assert settings.current is before


def test_live_keys_are_keys() -> None:
    for path in LIVE:
        section, _, key = path.partition(".")
        assert key in getattr(validate({}), section).model_dump(), path
