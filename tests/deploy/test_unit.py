"""The unit and the operators' page agree with the code."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest

from clipping.config import PRESETS, load, validate
from clipping.exits import EXIT_CONFIGURATION

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"


@pytest.fixture
def service() -> dict[str, str]:
    """The unit's [Service] section; the last value of a repeated key."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign,assignment]
    unit.read(SYSTEMD / "clipping-agent.service")
    return dict(unit["Service"])


def test_the_stop_timeout_exceeds_the_drain(service: dict[str, str]) -> None:
    assert int(service["TimeoutStopSec"]) >= validate({}).ha.drain_seconds + 30


def test_an_invalid_configuration_is_not_retried(service: dict[str, str]) -> None:
    assert service["RestartPreventExitStatus"] == str(EXIT_CONFIGURATION)


def test_the_installed_configuration_is_valid() -> None:
    assert load(SYSTEMD / "config.yaml", environ={}).storage.backend == "local"


def test_the_page_lists_the_timings_of_every_preset() -> None:
    page = (ROOT / "docs" / "how-to" / "two-nas-with-standby.md").read_text()
    header = re.search(r"^\| \| ([a-z |]+) \|$", page, re.M)
    assert header is not None
    names = header[1].split(" | ")
    assert names == list(PRESETS)
    rows = re.findall(r"^\| `(health|ha)\.(\w+)` \| ([\d. |]+) \|$", page, re.M)
    configs = [validate({"ha": {"preset": name}}) for name in names]
    for section, key, values in rows:
        expected = [getattr(getattr(config, section), key) for config in configs]
        assert [float(value) for value in values.split(" | ")] == expected, f"{section}.{key}"
    varied = {(section, key) for preset in PRESETS.values() for section in preset for key in preset[section]}
    assert varied <= {(section, key) for section, key, _ in rows}
