"""Uploads by a real browser, from a page of another origin, with the script of docs/how-to/uploads.md."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from clipping.store.cors import allow_uploads
from tests.api.api_process import CLIENT, ApiProcess
from tests.api.conftest import MakeApi
from tests.support import browser as browsers
from tests.support.browser import Browser
from tests.support.seaweed import Seaweed
from tests.support.waiting import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "uploads.md"
SIZE = 3_000_000


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    if (what := browsers.missing()) is not None:
        pytest.skip(what)
    with Browser(tmp_path / "profile") as running:
        yield running


@pytest.fixture
def page(tmp_path: Path) -> Iterator[str]:
    """The origin of a page with the guide's function."""
    found = re.search(r"```js\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text(f"<title>Upload</title><script>{found[1]}</script>")
    serve = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def uploaded(browser: Browser, page: str, api: ApiProcess) -> Any:
    """What the guide's function returns, or the error."""
    browser.open(f"{page}/index.html")
    browser.script(
        f"const file = new File([new Uint8Array({SIZE})], 'table.mp4', {{type: 'video/mp4'}});"
        f"upload(file, {api.url!r}, {CLIENT!r})"
        ".then((uri) => window.result = uri, (error) => window.result = String(error));"
    )
    return eventually(lambda: browser.script("return window.result"))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["local", "s3"])
def test_a_page_of_another_origin_uploads(
    request: pytest.FixtureRequest, make_api: MakeApi, browser: Browser, page: str, backend: str
) -> None:
    over: dict[str, Any] = {"api": {"cors_origins": [page]}}
    if backend == "s3":
        seaweed: Seaweed = request.getfixturevalue("seaweed")
        over["storage"] = seaweed.storage()
    api = make_api(**over)
    allow_uploads(api.config, dry_run=False)
    uri = uploaded(browser, page, api)
    assert uri.endswith("/table.mp4"), uri
    assert api.request(nas_video_path=None, source_uri=uri).status_code == 202
