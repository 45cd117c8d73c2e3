"""A real browser shows the exact frame of a recording, through the API and an agent."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import bench.measure
from tests.agent.cutting.preview.recordings import LONG_GOP, MPEG2, TS, reference
from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.media import Recording, make
from tests.support.stack import RunningStack

pytestmark = pytest.mark.slow
RECORDINGS = {
    "long GOPs": (LONG_GOP, "copy"),
    "TS": (TS, "copy"),
    "encoded frames": (MPEG2, "proxy"),
    "encoded audio": (Recording("mov", gop=100, audio=("pcm_s16le",)), "copy"),
}
FRAMES = (163, 290, 17, 18, 19, 18, 17, 240, 241)
"""Jumps there and back, and single steps."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of the page."""
    folder = tmp_path_factory.mktemp("page")
    shutil.copy(Path(__file__).with_name("previewed.html"), folder / "index.html")
    shutil.copy(Path(bench.measure.__file__).with_name("seen.js"), folder)
    serve = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def stack(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """With the recordings in its root, called as in `RECORDINGS`, whose previews the page may load."""
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    folder = tmp_path_factory.mktemp("previewed")
    nas = folder / "nas"
    nas.mkdir()
    for name, (recording, _) in RECORDINGS.items():
        shutil.copy(make(recording), nas / f"{name}.{recording.extension}")
    with RunningStack(folder / "data", nas, api={"cors_origins": [page]}) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.mark.parametrize("name", RECORDINGS)
def test_jumps_and_steps_show_the_frame(browser: Browser, page: str, stack: RunningStack, name: str) -> None:
    recording, playable = RECORDINGS[name]
    api = f"{stack.where['api_url']}/preview/v1/recordings"
    query = {"q": f"{name}.{recording.extension}"}
    (found,) = stack.session.get(api, params=query, timeout=30).json()["recordings"]
    token = stack.session.post(f"{stack.where['api_url']}/v1/previews/token", timeout=10).json()["token"]
    where = f"{api}/{found['id']}"
    browser.open(page)
    described = browser.script(f"return begin({json.dumps(where)}, {json.dumps(token)})")
    assert described["playable"] == playable
    times = {number: time for time, number in reference(make(recording)).items()}
    kinds = set()
    for number in FRAMES:
        middle = times[number] + 1 / recording.rate / 2
        shown, kind = browser.script(f"return show({float(middle)})")
        assert shown == number, (name, shown)
        kinds.add(kind)
    assert kinds == {None, playable}
