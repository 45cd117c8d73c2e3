"""Keys of other roles, and keys that are revoked while screens are open."""

from __future__ import annotations

import json

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

MOST_CALLS, SECONDS = 12, 4
"""Calls of one screen in some seconds. Those that failed are tried again, at increasing intervals."""
LIMITED = {"recordings": "cannot be listed", "editor": "is not there any more", "clips": "No clips yet"}
"""What a client without roots reads, who has requested nothing."""
CALLS = """
    return ['navigation', 'resource'].map((each) => performance.getEntriesByType(each).length)
      .reduce((all, each) => all + each);
"""


def calls_in_some_seconds(console: Console) -> int:
    browser = console.browser
    browser.script("performance.setResourceTimingBufferSize(9999); window.began = performance.now()")
    before = browser.script(CALLS)
    eventually(
        lambda: browser.script(f"return performance.now() > window.began + {SECONDS * 1000}"), every=0.2
    )
    return int(browser.script(CALLS) - before)


@pytest.mark.exhaustive
def test_every_role_sees_every_screen(console: Console) -> None:
    stack, browser = console.stack, console.browser
    limited = {"key": "limited", "name": "limited", "role": "client", "roots": []}
    with stack.further_keys(limited):
        console.find("table-7.mp4")
        at = browser.script("return location.hash")
        for key, ready in ((stack.where["admin_key"], ".card strong"), ("limited", ".empty strong")):
            console.sign_in(key, ready=ready)
            browser.script(f"sessionStorage.setItem('clipping.recording', {at.split('/')[-1]!r})")
            for screen in console.screens():
                browser.script(f"location.hash = {console.screens()[screen]!r}")
                eventually(console.shows_something, f"{screen} with {key}")
                assert calls_in_some_seconds(console) <= MOST_CALLS, (screen, key)
                assert not browser.count(".key-form"), (screen, key)
                if key == "limited" and screen in LIMITED:
                    assert LIMITED[screen] in browser.text("main")
        console.sign_in()
        another_key_starts_over(console)


def another_key_starts_over(console: Console) -> None:
    """In the address of a page that is open: nothing of the key before is left."""
    browser, script = console.browser, console.browser.script
    clip = {"request_id": "clip-x", "kind": "clip", "hand_id": "mine", "status": "queued"}
    clip |= {"created_at": "2026-11-30T08:00:00Z"}
    script(f"(await import('/console/events.js')).take({json.dumps(clip)})")
    script("(await import('/console/admin.js')).enterAdminKey('of an admin')")
    script("location.hash = '#key=limited'")
    eventually(lambda: browser.count(".empty strong") and not browser.count(".card"), "no recordings")
    assert script("return (await import('/console/events.js')).clips.size") == 0
    assert script("return sessionStorage.getItem('clipping.admin-key')") is None
    # Also what a screen that was not opened since the page was loaded would find.
    script("sessionStorage.setItem('clipping.admin-key', 'of an admin')")
    # What was asked with the key before, and is answered now.
    late = script(
        "const {get} = await import('/console/api.js'), {setKey} = await import('/console/state.js');"
        "const asked = get('/v1/quota').catch((error) => error.code); setKey('another'); return asked;"
    )
    assert late == "KEY_CHANGED"
    assert script("return sessionStorage.getItem('clipping.admin-key')") is None


@pytest.mark.exhaustive
def test_a_revoked_key_is_asked_for_again_in_every_screen(console: Console) -> None:
    stack, browser = console.stack, console.browser
    tabs = {}
    with browser.further_tabs():
        with stack.further_keys({"key": "revocable", "name": "client", "role": "client"}):
            console.find("table-7.mp4")
            at = browser.script("return location.hash").split("/")[-1]
            for screen in console.screens():
                tabs[screen] = browser.add_tab()
                browser.switch(tabs[screen])
                console.sign_in("revocable")
                browser.script(f"sessionStorage.setItem('clipping.recording', {at!r}); window.loaded = 1")
                browser.script(f"location.hash = {console.screens()[screen]!r}")
                eventually(console.shows_something, screen)
        for screen, tab in tabs.items():
            browser.switch(tab)
            eventually(lambda: browser.count(".key-form .error-text"), f"the form in {screen}")
            assert calls_in_some_seconds(console) <= MOST_CALLS, screen
            browser.type(".key-form input", stack.where["api_key"])
            browser.press("Enter")
            eventually(lambda: not browser.count(".key-form"), f"{screen} again")
            eventually(lambda: not browser.count(".banner") and console.shows_something(), screen)
            assert browser.script("return window.loaded") == 1
