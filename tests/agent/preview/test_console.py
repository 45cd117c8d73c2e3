"""The console on the agent's port: the API's files and headers, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import requests
from flask.testing import FlaskClient

from api.app import create_app
from clipping.config import validate
from console import STATIC
from console.files import WHERE
from tests.agent.preview.conftest import API_URL, Viewer

FILES = sorted(path.name for path in STATIC.iterdir())
OF_THE_SERVER = {"connection", "date", "server", "x-request-id"}
"""Headers that differ by the server or the request."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = tmp_path_factory.mktemp("api")
    keys = [{"name": "web", "role": "client", "sha256": "0" * 64}]
    own = {"database_url": f"sqlite:///{folder}/api.db", "keys": keys}
    return create_app(validate({"api": own, "storage": {"path": str(folder / "store")}})).test_client()


def lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def of_agent(
    viewer: Viewer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    with requests.request(
        method, f"{viewer.url}{path}", headers=headers, timeout=30, allow_redirects=False, stream=True
    ) as answer:
        return answer.status_code, lower(answer.headers), answer.raw.read(decode_content=False)


def of_api(
    api: FlaskClient, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    answer = api.open(path, method=method, headers=headers)
    return answer.status_code, lower(answer.headers), answer.data


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_every_file_and_header_is_the_same_as_from_the_api(
    viewer: Viewer, api: FlaskClient, encoding: str
) -> None:
    for name in ("", *FILES):
        asked = {"Accept-Encoding": encoding}
        status, headers, body = of_agent(viewer, f"/console/{name}", **asked)
        same_status, expected, same_body = of_api(api, f"/console/{name}", **asked)
        assert status == same_status == 200
        policy = headers.pop("content-security-policy")
        assert policy.replace(f" {API_URL}", "") == expected.pop("content-security-policy")
        assert f"connect-src 'self' {API_URL};" in policy
        assert f"media-src 'self' blob: {API_URL};" in policy
        assert f"img-src 'self' blob: data: {API_URL};" in policy
        assert policy.count("http") == 3
        if name == WHERE:
            continue
        assert body == same_body, name
        dropped = OF_THE_SERVER & {*headers, *expected}
        assert {k: v for k, v in headers.items() if k not in dropped} == {
            k: v for k, v in expected.items() if k not in dropped
        }, name
        again = {**asked, "If-None-Match": headers["etag"]}
        assert of_agent(viewer, f"/console/{name}", **again)[::2] == (304, b"")
        status, head, nothing = of_agent(viewer, f"/console/{name}", "HEAD", **asked)
        assert (status, head["content-length"], nothing) == (200, headers["content-length"], b"")


def test_the_page_learns_where_the_api_is(viewer: Viewer) -> None:
    status, headers, body = of_agent(viewer, f"/console/{WHERE}", **{"Accept-Encoding": "identity"})
    assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert body == f'export const API = "{API_URL}", AGENT = "nas-1";\n'.encode()


@pytest.mark.parametrize(
    "name", ["__init__.py", "..%2f__init__.py", "%2e%2e/files.py", "no.js", "a/b.js", "."]
)
def test_nothing_else_is_served(viewer: Viewer, name: str) -> None:
    with requests.Session() as session:
        sent = session.prepare_request(requests.Request("GET", f"{viewer.url}/console/x"))
        sent.url = f"{viewer.url}/console/{name}"
        answer = session.send(sent, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (answer.headers["Cache-Control"], "Set-Cookie" in answer.headers) == ("no-store", False)


def test_other_methods_and_the_ways_to_the_page(viewer: Viewer) -> None:
    status, headers, _ = of_agent(viewer, "/console/", "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    status, headers, _ = of_agent(viewer, "/console")
    assert (status, headers["location"]) == (308, f"{viewer.url}/console/")
    status, headers, _ = of_agent(viewer, "/")
    assert (status, headers["location"]) == (302, "/console/")


def test_a_paused_agent_serves_it_and_its_previews(viewer: Viewer) -> None:
    assert viewer.agent.command("ctl", "pause").returncode == 0
    try:
        assert of_agent(viewer, "/console/")[0] == 200
        assert viewer.of("night.mp4", "/still.jpg", t=1).status_code == 200
    finally:
        assert viewer.agent.command("ctl", "resume").returncode == 0
