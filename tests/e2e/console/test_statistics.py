"""The statistics: charts with their numbers, by mouse and by keyboard, and when they can't be read."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.console import Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

CLIPS = ".of-clips"


def request_some(console: Console, *modes: str) -> None:
    path = str(console.stack.nas_root / "table-7.mp4")
    ids = [
        console.stack.ask(hand_id="counted", nas_video_path=path, start_seconds=3, end_seconds=4, mode=mode)
        for mode in modes
    ]
    for request_id in ids:
        console.stack.wait(request_id)


def offset(console: Console) -> int:
    return int(console.browser.script("return -new Date().getTimezoneOffset()"))


def from_api(console: Console, period: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    url, session = f"{console.stack.where['api_url']}/v1/stats", console.stack.session
    query: dict[str, Any] = {"period": period, "utc_offset_minutes": offset(console)}
    totals = session.get(url, params={"period": period}, timeout=30).json()
    return totals, session.get(f"{url}/timeseries", params=query, timeout=30).json()["buckets"]


def rows(console: Console, chart: str) -> list[list[str]]:
    """The numbers below a chart."""
    found: list[list[str]] = console.browser.script(
        f"return [...document.querySelectorAll('{chart} tbody tr')].map("
        "(row) => [...row.querySelectorAll('td')].map((cell) => cell.innerText))"
    )
    return found


def test_charts_have_the_numbers_of_the_service(console: Console) -> None:
    browser = console.browser
    missing = console.stack.ask(
        hand_id="gone", nas_video_path=f"{console.stack.nas_root}/gone.mp4", start_seconds=0, end_seconds=1
    )
    console.stack.wait(missing)
    request_some(console, "copy", "smart", "smart", "encode")
    browser.script("location.hash = '#/statistics'")
    eventually(lambda: browser.count(".drawing") == 4, "four charts")
    browser.click(f"{CLIPS} summary")
    browser.click(".of-bytes summary")

    def agree(period: str) -> bool:
        totals, buckets = from_api(console, period)
        modes = [
            [f"{each['completed_by_mode'][mode]}" for mode in ("copy", "smart", "encode")] for each in buckets
        ]
        expected = [[*counts, f"{each['failed']}"] for counts, each in zip(modes, buckets, strict=True)]
        figures = browser.text(".figures").split("\n")
        return (
            rows(console, CLIPS) == expected
            and figures[1::2][:3]
            == [f"{totals[name]:,}" for name in ("total_requests", "completed", "failed")]
            and len(rows(console, ".of-bytes")) == len(buckets)
        )

    eventually(lambda: agree("24h"), "the numbers of the service", within=60)
    # The next clip is counted without a click.
    before = browser.text(".figures")
    request_some(console, "copy")
    eventually(lambda: browser.text(".figures") != before and agree("24h"), "the new clip", within=90)
    # By keyboard: the period, and a walk through the bars.
    browser.script("document.querySelector('[role=radio][tabindex=\"0\"]').focus()")
    browser.press("ArrowRight")
    eventually(lambda: browser.text(f"{CLIPS} h2") == "Clips per day", "seven days")
    eventually(lambda: agree("7d"), "the numbers of the days", within=60)
    browser.script(f"document.querySelector('{CLIPS} .drawing').focus()")
    browser.press("ArrowLeft", "End")
    eventually(lambda: browser.count(".chart-cursor") == 1, "the cursor")
    copied, _, _, failed = rows(console, CLIPS)[-1]
    read = browser.script(f"return document.querySelector('{CLIPS} .drawing').getAttribute('aria-valuetext')")
    assert f"Copy {copied}," in read
    assert f"Failed {failed}" in read
    assert browser.text(f"{CLIPS} .readout") == read
    browser.press("Home")
    eventually(lambda: browser.text(f"{CLIPS} .readout") != read, "the first day")


@pytest.mark.exhaustive
def test_it_fits_a_phone_in_both_languages_and_themes(console: Console) -> None:
    browser = console.browser
    request_some(console, "copy")
    browser.script("location.hash = '#/statistics'")
    eventually(lambda: browser.count(".drawing") == 4, "four charts")
    browser.script("document.querySelectorAll('.chart summary').forEach((each) => each.click())")
    eventually(lambda: browser.count(".numbers") == 4, "four tables")
    for width, theme in ((1440, "light"), (900, "dark"), (390, "light")):
        browser.appear(width, 844, theme=theme, phone=width < 720)
        for title in ("통계", "Statistics"):
            browser.script("document.querySelector('.rail-foot .text').click()")
            eventually(lambda title=title: browser.text("h1") == title, title)
            wide = (
                "return ['html', 'main', '.scroll'].map((each) => document.querySelector(each).scrollWidth)"
            )
            assert max(browser.script(wide)) <= width
            # The bars are drawn in this theme's colours.
            fill = "return getComputedStyle(document.querySelector('.of-bytes .bar-of')).fill"
            assert browser.script(fill) == {"light": "rgb(63, 77, 208)", "dark": "rgb(147, 160, 255)"}[theme]


@pytest.mark.exhaustive
def test_old_numbers_stay_and_say_so_while_the_service_is_away(console: Console) -> None:
    browser = console.browser
    request_some(console, "copy")
    browser.script("location.hash = '#/statistics'")
    eventually(lambda: browser.count(".drawing") == 4, "four charts")
    away = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.devtools("Network.enable", {})
    browser.devtools("Network.emulateNetworkConditions", {"offline": True, **away})
    try:
        browser.script("document.querySelectorAll('[role=radio]')[2].click()")
        eventually(lambda: browser.count(".stale"), "the problem", within=60)
        assert "Not current" in browser.text(".as-of")
        assert browser.count(".drawing") == 4
    finally:
        browser.devtools(
            "Network.emulateNetworkConditions",
            {"offline": False, **away, "downloadThroughput": -1, "uploadThroughput": -1},
        )
    began = time.monotonic()
    browser.click(".stale .button")
    eventually(lambda: not browser.count(".stale"), "current numbers", within=60)
    eventually(lambda: browser.text(f"{CLIPS} h2") == "Clips per day", "thirty days")
    eventually(lambda: "Not current" not in browser.text(".as-of"), "live events again", within=60)
    assert time.monotonic() - began < 60


def test_days_and_hours_are_those_of_the_clock_on_the_wall(console: Console) -> None:
    browser = console.browser
    browser.devtools("Emulation.setTimezoneOverride", {"timezoneId": "Europe/Berlin"})
    try:
        # In summer, for days before the clocks were changed on 29 March: each began at 22:00 in UTC.
        when = "const {when} = await import('/console/statistics.js');"
        days = [f"2026-03-{day}T22:00:00Z" for day in (26, 27, 28, 29)]
        found = browser.script(f"{when} return {days}.map((start) => when(start, 'day', 120))")
        assert found == ["Mar 27", "Mar 28", "Mar 29", "Mar 30"]
        assert browser.script(f"{when} return when('2026-07-01T22:00:00Z', 'hour', 120)") == "00:00"
    finally:
        browser.devtools("Emulation.setTimezoneOverride", {"timezoneId": ""})
