"""The configuration: what is read, what is refused, and that the example is accurate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipping.config import PRESETS, Config, load, overlay, validate
from clipping.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"


def problems_of(tree: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        validate(tree)
    return caught.value.problems


def keys_of(tree: dict[str, Any], at: str = "") -> set[str]:
    keys = set()
    for key, value in tree.items():
        keys.add(at + key)
        if isinstance(value, dict):
            keys |= keys_of(value, f"{at}{key}.")
    return keys


def test_the_example_is_the_defaults() -> None:
    loaded = load(EXAMPLE, environ={})
    assert loaded == Config.model_validate({"agent": {"id": loaded.agent.id}})


def test_the_example_shows_every_key() -> None:
    shown = keys_of(yaml.safe_load(EXAMPLE.read_text()))
    hidden = {"agent.id"}  # its default is the host's name
    known = keys_of(Config().model_dump())
    assert shown == known - hidden
    assert "# id: " in EXAMPLE.read_text()


def test_all_problems_are_reported_together_with_their_paths() -> None:
    problems = problems_of(
        {
            "agent": {"slots": {"interactive": 0}, "state_dir": "relative", "colour": "red"},
            "storage": {"backend": "gcs"},
            "api": {"port": "http"},
            "surprise": {},
        }
    )
    text = "\n".join(problems)
    for path in (
        "agent.slots.interactive",
        "agent.state_dir: must be an absolute path",
        "agent.colour: unknown key",
        "storage: bucket is required",
        "api.port",
        "surprise: unknown key",
    ):
        assert path in text


def _s3(**keys: str) -> dict[str, Any]:
    return {"storage": {"backend": "s3", "bucket": "clips", **keys}}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"api": {"host": "0.0.0.0"}}, "api: keys or oidc are required"),
        ({"storage": {"backend": "local", "bucket": "b"}}, "storage: bucket is for"),
        ({"storage": {"signed_url_days": 8}}, "storage.signed_url_days"),
        ({"api": {"keys": [{"name": "a", "role": "god", "sha256": "0" * 64}]}}, "api.keys.0.role"),
        ({"agent": {"nas_roots": ["/nas"]}}, "agent.nas_roots.0"),
        (
            {"agent": {"nas_roots": [{"path": "/nas/\u2028a"}]}},
            "agent.nas_roots.0.path: must not contain control",
        ),
        ({"agent": {"state_dir": "/var/\x7f"}}, "agent.state_dir: must not contain control"),
        ({"ha": {"mode": "chaos"}}, "ha.mode"),
        ({"ha": {"preset": "instant"}}, "ha.preset"),
        ({"ha": {"preset": "quick", "ttl_seconds": 7}}, "ha: ttl_seconds > deadline_seconds"),
        ({"ha": {"deadline_seconds": 11}}, "ha: ttl_seconds > deadline_seconds"),
        ({"ha": {"store_timeout_seconds": 10}}, "ha: renew_seconds + store_timeout_seconds"),
        ({"health": {"retry_seconds": 31}}, "health: retry_seconds"),
        ({"storage": {"backend": "s3"}}, "storage: bucket is required by the s3 backend"),
        (_s3(endpoint="minio.lan:9000"), "storage.endpoint"),
        (_s3(endpoint="https://minio.lan:9000/clips"), "storage.endpoint"),
        (_s3(public_endpoint="https://clips.example.com"), "storage: public_endpoint needs endpoint"),
        (_s3(region="EU West"), "storage.region"),
        (_s3(credentials="keys"), "storage.credentials: must be an absolute path"),
        ({"storage": {"backend": "gcs", "bucket": "b", "region": "auto"}}, "storage: region is for the s3"),
        ({"storage": {"path": "/x", "credentials": "/x"}}, "storage: credentials is for the s3"),
        ({"preview": {"api_url": "https://clips.example.com"}}, "preview.api_url: needs preview.key"),
        (
            {"preview": {"key": "/k", "api_url": "https://clips.example.com/api"}},
            "preview.api_url: must be http:// or https:// with a host",
        ),
        ({"preview": {"key": "/k", "api_url": "clips.example.com"}}, "preview.api_url: must be http:// or"),
        ({"cutting": {"gpus": [0, 0]}}, "cutting: gpus: name each GPU once"),
        ({"cutting": {"gpus": [64]}}, "cutting: gpus: use numbers from 0 to 63"),
        ({"cutting": {"gpus": []}}, "cutting.gpus"),
        ({"cutting": {"nvenc_sessions": 2}}, "cutting.nvenc_sessions: unknown key"),
    ],
)
def test_impossible_values_are_refused(tree: dict[str, Any], expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems_of(tree))


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("agent: {slots: {interactive: 2, batch: 2}}\n")
    environ = {
        "CLIPPING_AGENT__SLOTS__BATCH": "3",
        "CLIPPING_STORAGE__BACKEND": "gcs",
        "CLIPPING_STORAGE__BUCKET": "clips",
        "CLIPPING_CUTTING__GPUS": "[1, 0]",
        "CLIPPING_URL": "http://not-ours",
        "PATH": "/bin",
    }
    loaded = load(file, environ=environ)
    assert (loaded.agent.slots.interactive, loaded.agent.slots.batch) == (2, 3)
    assert loaded.storage.bucket == "clips"
    assert loaded.cutting.gpus == (1, 0)


def test_a_misspelt_variable_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"agent\.slotz: unknown key"):
        load(environ={"CLIPPING_AGENT__SLOTZ": "1"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [", "not valid YAML"),
        ("- a\n", "must be a mapping"),
        ("api: 5\n", "api: "),
        (b"\xff\xfe\x00", "not valid"),
    ],
)
def test_a_broken_file_is_reported(tmp_path: Path, content: str | bytes, expected: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=expected):
        load(file, environ={})


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        load(tmp_path / "none.yaml", environ={})


def test_a_secret_in_the_wrong_place_is_not_printed() -> None:
    key = {"name": "web", "role": "client", "sha256": "my-plain-secret"}
    assert "my-plain-secret" not in "\n".join(problems_of({"api": {"keys": [key]}}))


def test_overlay_is_recursive_and_replaces_lists() -> None:
    base = {"a": {"x": 1, "y": [1, 2]}, "b": 1}
    assert overlay(base, {"a": {"y": [3]}, "c": 2}) == {"a": {"x": 1, "y": [3]}, "b": 1, "c": 2}
    assert base == {"a": {"x": 1, "y": [1, 2]}, "b": 1}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_possible(name: str) -> None:
    config = validate({"ha": {"preset": name}})
    for section, timings in PRESETS[name].items():
        for key, value in timings.items():
            assert getattr(getattr(config, section), key) == value


def test_a_key_that_is_given_wins_over_the_preset() -> None:
    config = validate({"ha": {"preset": "quick"}, "health": {"interval_seconds": 4}})
    assert (config.health.interval_seconds, config.health.retry_seconds) == (4, 1)
