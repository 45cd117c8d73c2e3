"""Recordings are found."""

from __future__ import annotations

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_search_finds_recordings_in_all_folders(console: Console) -> None:
    browser = console.browser
    browser.press("/")
    eventually(lambda: browser.count("#find:focus"), "the search field")
    browser.press(*"deep")
    found = "return [...document.querySelectorAll('.card strong')].map((each) => each.innerText)"
    # As soon as the catalogue has it.
    eventually(lambda: browser.script(found) == ["deep-stack.mp4"], "the recording", within=120)
    assert "2026-11-20/below" in browser.text(".card .where").replace("\u200e", "")
