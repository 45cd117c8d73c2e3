"""One stack and one browser for the tests of the console's screens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from embedded.layout import free_port
from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.console import MARKUP, SECONDS, Console
from tests.support.media import Recording, make
from tests.support.stack import RunningStack

_FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
_GROUPS = ("-g", "50", "-keyint_min", "50", "-sc_threshold", "0")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", *_GROUPS)
_TIMES = ("-fps_mode", "passthrough", "-enc_time_base", "1/1000")
_UNEVEN = "format=yuv420p,select='lt(mod(n,11),9)',settb=1/1000,setpts=PTS+16*mod(N\\,3)"
"""Drops two of eleven frames, and moves the others by up to four fifths of a frame."""


@pytest.fixture(scope="session")
def shown_nas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("nas") / "broadcast" / "2026-11-20"
    root.mkdir(parents=True)
    for extension, gop in (("mp4", 250), ("ts", 50)):
        path = make(Recording(extension=extension, seconds=SECONDS, gop=gop))
        shutil.copy(path, root / f"table-7.{extension}")
    for name, recording in {
        "ntsc.mkv": Recording("mkv", rate=Fraction(30000, 1001), gop=60),
        "fragmented.mp4": Recording(video=(*_X264, *_FRAGMENTED)),
        "uneven.mp4": Recording(filters=_UNEVEN, video=(*_X264, *_TIMES)),
        "uneven.mkv": Recording("mkv", filters=_UNEVEN, video=(*_X264, *_TIMES)),
    }.items():
        shutil.copy(make(recording), root / name)
    shutil.copy(root / "table-7.mp4", root / f"{MARKUP}.mp4")
    (root / "below").mkdir()
    shutil.copy(root / "table-7.mp4", root / "below" / "deep-stack.mp4")
    (root / '"><script>alert(2)<').mkdir()
    return root


@pytest.fixture(scope="session")
def desk(shown_nas: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    # The agent serves the console, too, for the tests of the LAN.
    port, page = free_port(), free_port()
    with RunningStack(
        tmp_path_factory.mktemp("desk") / "data",
        shown_nas,
        agents=1,
        options=["--port", str(port)],
        health={"port": page},
        preview={"api_url": f"http://127.0.0.1:{port}"},
        api={"cors_origins": [f"http://127.0.0.1:{page}"]},
    ) as stack:
        yield stack


@pytest.fixture(scope="session")
def browser(desk: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def console(desk: RunningStack, browser: Browser) -> Iterator[Console]:
    browser.appear(1440, 900)
    console = Console(browser, desk)
    console.sign_in()
    yield console
    errors = [line for line in browser.log() if "Uncaught" in line or "Content Security Policy" in line]
    # What a page still loads, plays or moves would slow down the tests that run beside and after this one.
    browser.open("about:blank")
    assert errors == []
