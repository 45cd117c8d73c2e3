"""The agents, as an operator sees them: failing over, a leader that dies, and keys."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clipping.contract.cluster import EncoderProbe, agent_key, intent_key
from embedded.layout import free_port
from tests.api.cluster.documents import Agents
from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.cluster import CLUSTER, Cluster
from tests.support.console import MARKUP, RATE, SCREENSHOTS, Page
from tests.support.media import Recording, make
from tests.support.screens import ready
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

LONG: dict[str, Any] = {"name": "table-7.mp4", "start_seconds": 0, "end_seconds": 8, "mode": "encode"}
SIZES = ((1440, 900, "light"), (900, 800, "dark"), (390, 844, "dark"))


class Screen(Page):
    """The screen of the agents of a cluster, whose processes nothing restarts."""

    def __init__(self, browser: Browser, cluster: Cluster) -> None:
        super().__init__(browser)
        self.cluster = cluster

    def open(self, *, admin: bool = True) -> None:
        """As in a new tab, with an admin's key or a client's."""
        self.enter(f"{self.cluster.url}/console/", self.cluster.client_key(admin=admin))
        self.browser.script("window.alert = () => { window.ran = true; }; location.hash = '#/agents'")

    def says(self, selector: str, *words: str, within: float = 60.0) -> str:
        """Wait until an element has all these words. Returns its text."""

        def found() -> str | None:
            if not self.browser.count(selector):
                return None
            text = self.browser.text(selector)
            return text if all(word in text for word in words) else None

        shown: str = eventually(found, f"{selector}: {words}", within=within, logs=self.page)
        return shown

    def page(self) -> str:
        return f"; page: {self.browser.script('return document.body.innerText')}, {self.browser.log()}"

    def card(self, agent_id: str) -> str:
        return f'[data-agent="{agent_id}"]'

    @property
    def focus(self) -> str:
        return str(self.browser.script("const at = document.activeElement; return at.id || at.innerText"))

    def tab_to(self, wanted: str, *, key: str = "Tab") -> None:
        for _ in range(40):
            if self.focus == wanted:
                return
            self.browser.press(key)
        raise AssertionError(f"the focus did not come to {wanted}, but to {self.focus}")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    folder = tmp_path_factory.mktemp("pair")
    nas = folder / "nas"
    nas.mkdir()
    shutil.copy(make(Recording(seconds=60, gop=250)), nas / "table-7.mp4")
    ports = [free_port(), free_port()]
    previews = {f"agent-{n}": f"http://127.0.0.1:{port}" for n, port in enumerate(ports, start=1)}
    with Cluster(
        folder / "cluster",
        nas,
        over={"ha": {"preset": "quick"}, "preview": {"agents": previews}},
        each={n: {"health": {"port": port}} for n, port in enumerate(ports)},
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def own_browser(pair: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def screen(pair: Cluster, own_browser: Browser) -> Iterator[Screen]:
    own_browser.appear(1440, 900, theme="light")
    screen = Screen(own_browser, pair)
    screen.open()
    yield screen
    errors = [line for line in own_browser.log() if "Uncaught" in line or "Content Security Policy" in line]
    ran = own_browser.script("return window.ran")
    own_browser.open("about:blank")
    assert errors == []
    assert ran is None


def test_a_failover_by_keyboard_from_the_screen_to_the_history(screen: Screen, tmp_path: Path) -> None:
    browser, cluster = screen.browser, screen.cluster
    leader = cluster.nodes[0]
    screen.says(".verdict", "Everything works. agent-2 would take over in about 11 s if agent-1 died.")
    screen.says(f"{screen.card('agent-1')} .encoders", "libx264", "Used first")
    request_id = cluster.ask(hand_id="long", **LONG)
    held = cluster.hold_cut(leader, request_id)
    screen.says(f'[data-clip="{request_id}"]', "long", "%")
    screen.tab_to("open-failover")
    browser.press("Enter")
    eventually(lambda: screen.focus == "Cancel", "the focus on Cancel")
    screen.says(".steps", "agent-1 takes no new clips", "It finishes the clip in flight", "epoch 2")
    screen.tab_to("Finish them", key="Shift+Tab")
    browser.press("ArrowRight")
    screen.says(".steps", "It stops the clip in flight and gives it back. agent-2 cuts it again.")
    browser.press("ArrowLeft")
    screen.says(".steps", "It finishes the clip in flight")
    screen.tab_to("panel-reason")
    browser.press(*"new disks in agent-1")
    browser.screenshot(Path(os.environ.get(SCREENSHOTS, tmp_path)) / "console-agents.png")
    browser.press(*f" {MARKUP}")
    screen.tab_to("Fail over to agent-2")
    browser.press("Enter")
    screen.says(".steps .now", "One clip is left")
    assert browser.count(".steps .done") == 1
    # It goes on without its panel, and the focus is where it was.
    browser.press("Escape")
    screen.says(".banner.accent", "agent-1 hands over to agent-2.", "One clip is left.")
    eventually(lambda: screen.focus == "open-failover", "the focus on its button")
    browser.press("Enter")
    screen.says(".side-panel h2", "agent-1 hands over to agent-2")
    held.release()
    screen.says(".side-panel h2", "agent-2 leads now")
    assert browser.count(".steps .done") == 4
    browser.press("Enter")
    eventually(lambda: not browser.count(".side-panel"), "the panel to close")
    screen.says(f"{screen.card('agent-2')} .badge", "Leads")
    planned = f"“new disks in agent-1 {MARKUP}”, by"
    screen.says('[data-epoch="2"]', "Planned", "agent-1 to agent-2, epoch 2.", planned, "nothing to resume")
    assert cluster.wait(request_id)["status"] == "completed"


def test_a_leader_is_killed_while_the_screen_is_open(screen: Screen) -> None:
    cluster, browser = screen.cluster, screen.browser
    leader = cluster.leader()
    (standby,) = [node for node in cluster.nodes if node is not leader]
    epoch = int(screen.says(f"{screen.card(leader.name)} .fact:nth-child(2) strong"))
    request_id = cluster.ask(hand_id="cut-twice", **LONG)
    held = cluster.hold_cut(leader, request_id)
    screen.says(f'[data-clip="{request_id}"]', "cut-twice")
    leader.kill()
    screen.says(
        ".banner.error", f"{leader.name} leads but does not work", f"{standby.name} takes over in about"
    )
    screen.says(".verdict", f"{leader.name} leads but does not work.")
    screen.says(f"{screen.card(leader.name)} .badge", "Frozen")
    screen.says(f'[data-clip="{request_id}"]', f"{standby.name} cuts it again")
    # It counts on the page's own clock.
    ages = "return Number(document.querySelector('.lease-bar').getAttribute('aria-valuenow'))"
    age = browser.script(ages)
    eventually(lambda: not browser.count(".lease-bar") or browser.script(ages) != age, "the age to grow")
    del held
    row = f'[data-epoch="{epoch + 1}"]'
    screen.says(row, "Automatic", f"{leader.name} to {standby.name}, epoch {epoch + 1}")
    eventually(lambda: not browser.count(".banner.error"), "the end of the alarm", logs=screen.page)
    screen.says(f"{screen.card(standby.name)} .badge", "Leads")
    screen.says(f"{screen.card(leader.name)} .badge", "Gone")
    assert cluster.wait(request_id, within=120)["status"] == "completed"
    screen.says(row, "one clip resumed", within=90)
    leader.start()
    screen.says(".verdict", "Everything works.")


@pytest.mark.exhaustive
def test_every_screen_outlives_a_leader_that_dies(screen: Screen) -> None:
    cluster, browser = screen.cluster, screen.browser
    leader, tabs = cluster.leader(), {}
    (standby,) = [node for node in cluster.nodes if node is not leader]
    cluster.wait(cluster.ask("table-7.mp4", hand_id="before"))  # so that no screen is empty
    with browser.further_tabs():
        for name, address in screen.screens().items():
            tabs[name] = browser.add_tab()
            browser.switch(tabs[name])
            screen.enter(f"{cluster.url}/console/", cluster.client_key(admin=True))
            screen.choose("table-7.mp4")
            screen.shows(0)
            browser.script(f"window.loaded = 1; location.hash = {address!r}")
            eventually(lambda name=name: browser.count(ready(name)) and screen.shows_something(), name)
        request_id = cluster.ask(hand_id="in-every-screen", **LONG)
        held = cluster.hold_cut(leader, request_id)
        try:
            leader.kill()
            for name, tab in tabs.items():
                browser.switch(tab)
                assert screen.shows_something(), name
                eventually(lambda: not browser.count(".key-form, main > .banner"), f"{name}, live")
            del held
            assert cluster.wait(request_id, within=120)["agent_id"] == standby.name
            for name, tab in tabs.items():
                browser.switch(tab)
                if name == "editor":
                    # Frames come from the other agent.
                    screen.go_to("00:00:50:07")
                    screen.shows(50 * RATE + 7)
                elif name == "agents":
                    screen.says(f"{screen.card(standby.name)} .badge", "Leads")
                elif name == "clips":
                    screen.says(f'[data-id="{request_id}"] .badge', "Done")
                eventually(
                    lambda name=name: browser.count(ready(name)), f"{name} afterwards", logs=screen.page
                )
                assert screen.shows_something(), name
                assert browser.script("return window.loaded") == 1
        finally:
            leader.start()
    screen.says(".verdict", "Everything works.")


def test_a_client_key_is_explained_and_an_admin_key_is_kept_beside_it(screen: Screen) -> None:
    browser, cluster = screen.browser, screen.cluster
    client = cluster.client_key()
    screen.open(admin=False)
    assert "Agents" in screen.says(".rail")
    screen.says(".ask-key", "This screen needs an admin key")
    for wrong, answer in (("unknown", "The admin key was changed or has ended."), (client, "not an admin's")):
        browser.type(".ask-key input", wrong)
        browser.press("Enter")
        screen.says(".ask-key [role=alert]", answer)
    browser.type(".ask-key input", cluster.client_key(admin=True))
    browser.press("Enter")
    screen.says(screen.card("agent-1"))
    assert browser.script("return sessionStorage.getItem('clipping.key')") == client
    # As after a change of the service's keys.
    browser.script("sessionStorage.setItem('clipping.admin-key', 'gone'); location.reload()")
    screen.says(".ask-key", "Enter an admin key again")
    browser.script("location.hash = '#/clips'")
    screen.says(".page h1", "Clips")
    assert not browser.count(".key-form")
    screen.open()
    screen.says(screen.card("agent-1"))
    assert browser.script("return sessionStorage.getItem('clipping.admin-key')") is None


def test_takeovers_are_paused_with_a_reason_and_an_end(screen: Screen) -> None:
    browser = screen.browser
    screen.says(".verdict", "Everything works.")
    browser.click("#open-pause")
    eventually(lambda: screen.focus == "Cancel", "the focus on Cancel")
    browser.type("#panel-reason", MARKUP)
    browser.click(".side-panel .main")
    screen.says(".banner.warning", "Automatic takeover is paused.", f"“{MARKUP}”", "Until")
    screen.says(".verdict", "no agent would take over if it died")
    browser.click(".banner.warning .button")
    screen.says(".verdict", "Everything works.")
    intent = intent_key(CLUSTER)
    # The last state stays while there is no newer one.
    store, found = screen.cluster.store, screen.cluster.store.stat(intent)
    assert found is not None
    broken = store.replace(intent, b"{", expected=found.version)
    screen.says(".banner.warning", "The agents' state cannot be read.", intent)
    screen.says(".verdict", "Not known now")
    assert browser.count(screen.card("agent-1"))
    store.delete(intent, expected=broken.version)
    screen.says(".verdict", "Everything works.")
    eventually(lambda: not browser.count(".banner.warning"), "the end of the warning")


@pytest.mark.exhaustive
def test_texts_of_agents_are_text_in_every_size_and_language(screen: Screen) -> None:
    browser, cluster = screen.browser, screen.cluster
    probe = [EncoderProbe(name=MARKUP, usable=False, reason=f"no driver {MARKUP}")]
    Agents(cluster.store, CLUSTER).report(
        "nas-3",
        host=MARKUP,
        version=MARKUP,
        eligible=False,
        reasons=[f"the NAS at {'/very-long' * 12}", MARKUP],
        encoders=[MARKUP],
        encoder_probe=[each.model_dump() for each in probe],
    )
    card = screen.card("nas-3")
    assert screen.says(card, "Could take over", "No").count(MARKUP) == 5
    browser.click("#open-failover")
    screen.says(".side-panel", "Which agent takes over")
    browser.script(
        "const choice = document.querySelector('.side-panel select'); choice.value = 'nas-3';"
        "choice.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    assert MARKUP in screen.says(".cannot", "nas-3 cannot take over.")
    assert browser.script("return document.querySelector('.side-panel .main').ariaDisabled") == "true"
    wide = "return ['html', 'main', '.agents-body > .scroll'].map((each) => document.querySelector(each))"
    too_wide = f"{wide}.every((each) => each.scrollWidth <= each.clientWidth)"
    for width, height, theme in SIZES:
        browser.appear(width, height, theme=theme, phone=width < 720)
        for language in ("전환", "Fail over"):
            browser.script("document.querySelector('.rail-foot .text').click()")
            screen.says(".side-panel .main", language)
            eventually(lambda: browser.script(too_wide), f"{width}, {language}", logs=screen.page)
    browser.press("Escape")
    cluster.store.delete(agent_key(CLUSTER, "nas-3"))
    eventually(lambda: not browser.count(card), "the agent to go")


def agent(agent_id: str, status: str = "standby", **over: Any) -> dict[str, Any]:
    lists: dict[str, list[str]] = {"reasons": [], "encoders": [], "encoder_probe": [], "in_flight": []}
    role = "primary" if status == "active" else "standby"
    return {"agent_id": agent_id, "status": status, "role": role, "eligible": True, **lists, **over}


LEADER, STANDBY = agent("nas-1", "active"), agent("nas-2", takeover_seconds=34)
ILL = agent("nas-2", eligible=False, reasons=["the NAS is not mounted"])
BOTH = [LEADER, STANDBY]
VERDICTS: list[tuple[list[dict[str, Any]], float | None, dict[str, Any], str, str]] = [
    (BOTH, 3, {}, "good", "Everything works. nas-2 would take over in about 34 s if nas-1 died."),
    (BOTH, 14.9, {}, "good", "Everything works."),
    (BOTH, 15.1, {}, "error", "nas-1 leads but does not work."),
    (BOTH, 31, {}, "error", "No agent leads. nas-2 takes over."),
    (BOTH, 31, {"paused": True}, "error", "Resume it, or fail over to nas-2."),
    (BOTH, 3, {"paused": True}, "warning", "nas-1 works. Automatic takeover is paused:"),
    (BOTH, 3, {"lease": {"state": "released"}}, "error", "No agent leads. nas-2 takes over."),
    ([LEADER], 3, {}, "warning", "There is no other agent that could take over."),
    ([LEADER, ILL], 3, {}, "warning", "no agent could take over. nas-2: the NAS is not mounted."),
    ([LEADER, ILL], 31, {}, "error", "No agent leads, and none could. nas-2: the NAS is not mounted."),
    ([agent("nas-1", "draining"), STANDBY], 3, {}, "warning", "nas-1 finishes its clips, then hands over."),
    ([{**LEADER, "reasons": ["no room"]}, STANDBY], 3, {}, "warning", "nas-1 leads, but: no room."),
    ([STANDBY], None, {}, "warning", "No agent has led yet."),
    ([], None, {}, "warning", "No agent has reported yet."),
    ([LEADER, agent("nas-2", "active")], None, {}, "good", "2 agents cut clips; none leads."),
    ([agent("nas-1", "active", reasons=["no room"])], None, {}, "warning", "nas-1 works, but: no room."),
]
"""The agents, the lease's age in seconds, more of the answer, and what is said above the cards."""


def test_one_sentence_says_whether_anything_has_to_be_done(screen: Screen) -> None:
    views = []
    limits = {"stops_after_seconds": 20, "free_after_seconds": 30, "state": "held", "agent_id": "nas-1"}
    for agents, age, over, _, _ in VERDICTS:
        lease = {} if age is None else {"lease": {**limits, "age_seconds": age, **over.get("lease", {})}}
        cluster = {"agents": agents, "epoch": 5, "paused": False, **over, **lease}
        views.append({"cluster": cluster, "since": 0})
    code = "return import('/console/agents-state.js').then((all) => VIEWS.map(all.verdict))"
    found = screen.browser.script(code.replace("VIEWS", json.dumps(views)))
    for (agents, age, over, kind, words), said in zip(VERDICTS, found, strict=True):
        assert said["kind"] == kind, (agents, age, over, said)
        assert words in said["text"], (agents, age, over, said)


def test_a_field_keeps_the_focus_when_a_banner_above_it_goes(screen: Screen) -> None:
    code = (
        "return import('/console/h.js').then(({h, render}) => {"
        "  const root = document.body.appendChild(document.createElement('div'));"
        "  const draw = (banner) => render(root, h('div', {key: 'page'}, banner && h('p', {key: 'banner'}),"
        "    h('div', {key: 'body'}, h('input', {key: 'field', id: 'kept'}))));"
        "  draw(true); document.getElementById('kept').focus();"
        "  const found = [false, true].map((banner) => { draw(banner); return document.activeElement.id; });"
        "  root.remove(); return found; });"
    )
    assert screen.browser.script(code) == ["kept", "kept"]
