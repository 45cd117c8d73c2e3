"""Which pages a browser lets call the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from tests.api.api_process import CLIENT, ApiProcess
from tests.support.broker import BrokerProcess

PAGE, OTHER = "https://clips.example.com", "http://localhost:3000"


@pytest.fixture(scope="module")
def api(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    over = {"api": {"cors_origins": [PAGE, OTHER]}, "limits": {"requests_per_minute": 1000}}
    running = ApiProcess(tmp_path_factory.mktemp("cors") / "api", emulator=broker.host_port, over=over)
    yield running
    running.close()


def preflight(api: ApiProcess, origin: str, method: str = "POST", headers: str = "") -> requests.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return requests.options(f"{api.url}/v1/clip/request", headers=asked, timeout=30)


@pytest.mark.parametrize("origin", [PAGE, OTHER])
def test_a_listed_page_may_ask(api: ApiProcess, origin: str) -> None:
    answer = preflight(api, origin, headers="authorization, content-type, idempotency-key, if-none-match")
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type", "idempotency-key", "if-none-match"} <= set(allowed.split(", "))
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_listed_page_reads_the_answer_and_our_headers(api: ApiProcess) -> None:
    for authorization in (f"Bearer {CLIENT}", "Bearer wrong"):
        answer = api.get("/v1/clips", headers={"Origin": PAGE, "Authorization": authorization})
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        exposed = answer.headers["Access-Control-Expose-Headers"]
        assert {"ETag", "Retry-After", "X-RateLimit-Remaining", "X-Request-Id"} <= set(exposed.split(", "))
        assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "https://clips.example.com.evil.example",
        "https://clips.example.com:444",
        "http://clips.example.com",
        "https://xclips.example.com",
        "https://clipsxexample.com",
        "null",
        "*",
        "",
    ],
)
def test_any_other_page_may_not(api: ApiProcess, origin: str) -> None:
    for answer in (
        preflight(api, origin, headers="authorization"),
        api.get("/v1/clips", headers={"Origin": origin}),
    ):
        assert not [name for name in answer.headers if name.startswith("Access-Control-Allow")]
        assert "Origin" in answer.headers["Vary"]


def test_only_our_methods_and_headers_are_offered(api: ApiProcess) -> None:
    assert "Access-Control-Allow-Methods" not in preflight(api, PAGE, method="DELETE").headers
    headers = preflight(api, PAGE, headers="x-other").headers.get("Access-Control-Allow-Headers", "")
    assert "x-other" not in headers


def test_without_a_list_no_page_may(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> None:
    running = ApiProcess(tmp_path_factory.mktemp("cors") / "api", emulator=broker.host_port)
    answers = [preflight(running, PAGE), running.get("/v1/clips", headers={"Origin": PAGE})]
    running.close()
    assert not [name for answer in answers for name in answer.headers if name.startswith("Access-Control")]
