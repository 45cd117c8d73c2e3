"""CHANGELOG.md keeps the form of Keep a Changelog, and has the version that setup.cfg names."""

from __future__ import annotations

import re
from configparser import ConfigParser

from tests.docs.tables import ROOT

KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
TEXT = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## (.*)$", TEXT, re.M)


def test_sections_are_versions_with_dates_newest_first() -> None:
    assert SECTIONS[0] == "[Unreleased]"
    found = [
        re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)", section) for section in SECTIONS[1:]
    ]
    assert all(found), SECTIONS
    versions = [tuple(map(int, match.groups()[:3])) for match in found if match is not None]
    dates = [match[4] for match in found if match is not None]
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_version_of_setup_cfg_has_a_section() -> None:
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    assert any(section.startswith(f"[{metadata['metadata']['version']}] ") for section in SECTIONS)


def test_changes_are_grouped_by_the_usual_kinds() -> None:
    assert set(re.findall(r"^### (.*)$", TEXT, re.M)) <= KINDS
