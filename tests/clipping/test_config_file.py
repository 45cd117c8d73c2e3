"""Single keys of the configuration, without its models, are what the models would have."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipping.config import Config, load
from clipping.config_file import API_HOST, API_PORT, STATE_DIR, tree, value
from clipping.errors import ConfigurationError
from tests.support.imports import libraries_after


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("agent: {state_dir: /state}\napi: {port: 8001}\nhealth:\nha: 7\n")
    return path


def test_the_defaults_are_those_of_the_models() -> None:
    assert (
        Config().agent.state_dir,
        Config().api.host,
        Config().api.port,
    ) == (STATE_DIR, API_HOST, API_PORT)


def test_a_variable_goes_before_the_file(file: Path) -> None:
    assert value("agent.state_dir", file, {}) == "/state"
    assert value("agent.state_dir", file, {"CLIPPING_AGENT__STATE_DIR": "/other"}) == "/other"
    assert value("api.port", file, {"CLIPPING_API__PORT": "8080"}) == 8080
    assert value("api.port", file, {"CLIPPING_API__HOST": "::"}) == 8001


def test_what_is_not_set_is_none(file: Path) -> None:
    for key in ("api.host", "health.port", "ha.mode", "limits.max_clip_seconds"):
        assert value(key, file, {}) is None
    assert value("agent.state_dir", None, {}) is None


def test_the_rest_of_the_file_may_be_invalid(file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"ha"):
        load(file, environ={})
    assert tree(file, {})["ha"] == 7
    assert value("agent.state_dir", file, {"CLIPPING_HA__MODE": "{"}) == "/state"


@pytest.mark.parametrize("text", ["agent: {", "- a list\n", "\udcff"])
def test_a_file_without_sections_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigurationError, match=str(path)):
        value("agent.state_dir", path, {})


def test_without_a_file_and_variables_no_library_is_loaded() -> None:
    read = (
        "from clipping.config_file import value; value('agent.state_dir', None, {'CLIPPING_API__PORT': '1'})"
    )
    assert libraries_after(read) == set()
