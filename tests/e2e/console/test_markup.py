"""What users, recorders and agents name is shown as it is, and never becomes a part of the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import MARKUP, Console
from tests.support.screens import visit
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

NAMES = {
    "markup": MARKUP,
    "a drawing": "<svg onload=alert(1)>",
    "the end of an attribute": "\" autofocus onfocus=alert(1) x='",
    "an address": "javascript:alert(1)",
    "a template": "{{constructor.constructor('alert(1)')()}}${alert(1)}#{alert(1)}",
    "a text's places": "{name} {count} {seconds} {reason}",
    "an entity": "&lt;b&gt;&#60;i&#62;",
    "right to left": "\u202egpj.txt\u202c",
    "no width": "a\u200bb\u2060c\ufeffd",
    "a long name": "W" * 200,
}
NAME_LENGTH = 64
"""Of a name in a request's metadata."""
# What would show that something ran, or came to be: handlers, foreign or inline scripts, frames, addresses.
CHANGED = """
    const FOREIGN = 'script:not([src]), iframe, object, embed, base, meta[http-equiv], [autofocus]';
    const unsafe = [...document.querySelectorAll('*')].filter((each) => each.matches(FOREIGN)
      || each.matches('a[href^="javascript:" i]')
      || [...each.attributes].some(({name}) => name.startsWith('on'))
      || each.matches('[src]') && !['blob:', location.protocol].includes(new URL(each.src, location).protocol)
      || each.matches('img') && new URL(each.src, location).pathname === '/x');
    return [sessionStorage.getItem('ran'), ...unsafe.map((each) => each.outerHTML)].filter(Boolean);
"""


@pytest.fixture(scope="module")
def named(shown_nas: Path) -> Path:
    """A folder with a recording and a folder of each name."""
    folder = shown_nas / "names"
    folder.mkdir()
    for name in NAMES.values():
        os.link(shown_nas / "table-7.mp4", folder / f"{name}.mp4")
        (folder / f"{name} folder").mkdir()
    return folder


def test_names_and_texts_are_shown_and_do_nothing(console: Console, named: Path) -> None:
    browser = console.browser
    script = {"source": "window.alert = () => sessionStorage.setItem('ran', 'alert')"}
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", script)
    failed = {name: request_what_is_gone(console, named, name) for name in NAMES}
    console.sign_in()
    browser.script(f"location.hash = '#/recordings?in=' + encodeURIComponent({str(named)!r})")
    eventually(lambda: browser.count(".card strong") == len(NAMES), "the recordings")
    shown = browser.script("return document.querySelector('main').textContent")
    for name in NAMES.values():
        assert f"{name}.mp4" in shown
        assert f"{name} folder" in shown
    assert browser.script(CHANGED) == []
    links = browser.script(
        "return [...document.querySelectorAll('a.card')].map((each) => each.getAttribute('href'))"
    )
    for link in links:
        browser.script(f"location.hash = {link!r}")
        eventually(lambda link=link: _editor_shows_a_name(console, link), f"the recording of {link}")
        assert browser.script(CHANGED) == []
    console.show("clips", "[data-id]")
    for name, request_id in failed.items():
        row = f'[data-id="{request_id}"]'
        eventually(lambda row=row: browser.count(f"{row} .badge.error"), f"the failed clip of {name}")
        browser.script(f"document.querySelector({row!r}).click()")
        eventually(lambda: browser.count(".report .said p"), "the report")
        text = browser.script("return document.querySelector('.report').textContent")
        # In the error's text, and as a name and a value of metadata.
        assert text.count(NAMES[name][:NAME_LENGTH]) >= 3, name
        assert browser.script(CHANGED) == []
        browser.script(f"document.querySelector({row!r}).click()")
    for screen in visit(console, opened=True):
        assert browser.script(CHANGED) == [], screen


def request_what_is_gone(console: Console, folder: Path, name: str) -> str:
    body: dict[str, Any] = {"nas_video_path": str(folder / f"{NAMES[name]}.gone"), "start_seconds": 0}
    metadata = {NAMES[name][:NAME_LENGTH]: NAMES[name]}
    return console.stack.ask(
        hand_id=name.replace(" ", "-").replace("'", ""), end_seconds=1, metadata=metadata, **body
    )


def _editor_shows_a_name(console: Console, link: str) -> bool:
    shown = console.browser.script("return document.querySelector('.top')?.textContent ?? ''")
    return any(f"{name}.mp4" in shown for name in NAMES.values()) and link.split("/")[
        -1
    ] in console.browser.script("return location.hash")
