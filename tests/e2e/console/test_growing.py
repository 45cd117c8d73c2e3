"""A recording that is opened while it is written: what is added is in the timeline, and plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.support.console import RATE, SECONDS, Console
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow]

PACKET = 188
KEYFRAMES = 50
"""The frames from a keyframe of `table-7.ts` to the next one."""


@contextmanager
def written(source: Path, path: Path) -> Iterator[Callable[[], None]]:
    """A program that writes an MPEG-TS recording: a third of it now, the most once it is called, and a few
    packets each half second."""
    data, more, ended = source.read_bytes(), Event(), Event()
    third = len(data) // 3 // PACKET * PACKET
    path.write_bytes(data[:third])

    def write() -> None:
        at = third
        while not ended.wait(0.5):
            behind = at + PACKET
            if more.is_set():
                behind = max(behind, len(data) - 100 * PACKET)
            with path.open("ab") as file:
                at += file.write(data[at:behind])

    writer = Thread(target=write)
    writer.start()
    try:
        yield more.set
    finally:
        ended.set()
        writer.join()
        path.unlink()


def test_what_is_added_to_a_recording_is_in_the_timeline_and_plays(console: Console) -> None:
    browser, nas = console.browser, console.stack.nas_root
    with written(nas / "table-7.ts", nas / "grows.ts") as write_more:
        browser.script("location.reload()")
        console.find("grows.ts")
        longest = "return Number(document.querySelector('.slider')?.getAttribute('aria-valuemax'))"
        before = browser.script(longest)
        assert 10 < before < 30
        ends = (
            "return performance.getEntriesByType('resource').map((each) => new URL(each.name))"
            ".filter(({{pathname}}) => pathname.endsWith('/{}'))"
            ".map(({{searchParams}}) => Number(searchParams.get('to')))"
        )
        read = ("strip.jpg", "peaks", "keyframes")
        eventually(lambda: all(browser.script(ends.format(name)) for name in read), "the timeline")
        write_more()
        eventually(lambda: browser.script(longest) > SECONDS - 2, "the new duration")
        # In view there are now the old end and what follows it.
        console.go_to(f"00:00:{int(before) + 2}:00")
        console.shows((int(before) + 2) * RATE)
        for name in read:
            eventually(lambda name=name: max(browser.script(ends.format(name))) > before + 5, name)
        console.go_to("00:00:40:00")
        console.shows(40 * RATE)
        browser.press("l")
        eventually(lambda: console.painted() > 44 * RATE, "four seconds of video", logs=console.seen)
        browser.press("k")
        eventually(lambda: console.frame == console.painted(), "rest", logs=console.seen)
        browser.press("Alt+ArrowRight")
        eventually(
            lambda: console.frame > 0 and console.frame % KEYFRAMES == 0, "a keyframe", logs=console.seen
        )
        browser.open("about:blank")


def test_parts_end_where_the_recording_ended_when_they_were_read(console: Console) -> None:
    browser = console.browser
    browser.script(
        """
        const modules = ["api", "tiles"].map((name) => import(`/console/${name}.js`));
        Promise.all(modules).then(async ([{preview}, {Parts}]) => {
          const [{id}] = (await (await preview("", {q: "table-7.mp4"})).json()).recordings;
          const recording = {id, duration: 21, growing: true}, parts = new Parts(recording, () => {});
          window.parts = parts;
          window.grow = () => Object.assign(recording, {duration: 50, growing: false});
          window.shown = () => {
            parts.begin();
            const [, strip] = parts.tiles(0, 40, 2), [wave] = parts.peaks(0, 40, 60);
            const {times} = parts.keyframes(0, 40);
            const ends = [strip, wave].map(({end, value}) => value && end);
            return [...ends, times.at(-1) ?? null, parts.keyframeBefore(35) ?? null];
          };
        });
        """
    )
    eventually(lambda: browser.script("return Boolean(window.shown)"), "the module")
    shown = "return shown()"

    def read() -> str:
        return repr(browser.script(shown))

    eventually(lambda: browser.script(shown) == [21, 21, 20, 20], "the parts", logs=read)
    # Until they are read again, nothing is known of what follows.
    assert browser.script(f"grow(); {shown}") == [21, 21, 20, None]
    eventually(lambda: browser.script(shown) == [32, 50, 40, 30], "the parts afterwards", logs=read)
    browser.script("parts.close()")
