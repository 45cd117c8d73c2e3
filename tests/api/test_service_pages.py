"""Health, the contract and its page, and what every answer carries."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
import yaml
from sqlalchemy import text

import api as package
from api.app import create_app
from clipping.config import validate
from tests.api.api_process import ApiProcess
from tests.api.conftest import MakeApi
from tests.support.broker import BrokerProcess
from tests.support.served import served
from tests.support.waiting import eventually


def anonymous(api: ApiProcess, path: str, **headers: str) -> requests.Response:
    return requests.get(api.url + path, headers=headers, timeout=30)


def test_health_needs_no_key_and_counts_the_queue(api: ApiProcess) -> None:
    def healthy() -> dict[str, object] | None:
        answer = anonymous(api, "/health")
        assert answer.status_code == 200
        found: dict[str, object] = answer.json()
        return found if found["status"] == "healthy" else None

    before = eventually(healthy)
    assert before["api_status"] == "healthy"
    assert before["reasons"] == []
    assert before["version"]
    api.request()
    assert eventually(healthy)["queue_depth"] == before["queue_depth"] + 1  # type: ignore[operator]


@pytest.mark.slow
def test_health_is_degraded_without_pubsub_and_recovers(tmp_path: Path, make_api: MakeApi) -> None:
    with BrokerProcess(tmp_path / "broker") as own:
        api = make_api(own)
        eventually(lambda: anonymous(api, "/health").json()["status"] == "healthy")
        own.kill()
        eventually(lambda: anonymous(api, "/health").json()["status"] == "degraded")
        assert api.request().status_code == 202
        eventually(lambda: any("outbox" in each for each in anonymous(api, "/health").json()["reasons"]))
        own.start()
        eventually(lambda: anonymous(api, "/health").json()["status"] == "healthy")
        assert eventually(lambda: api.counts()["outbox"] == 0)


def test_without_its_database_it_refuses_requests(broker: BrokerProcess, tmp_path: Path) -> None:
    (tmp_path / "clips.db").mkdir()  # where the database should be
    config = validate(
        {
            "storage": {"path": str(tmp_path / "store")},
            "api": {"database_url": f"sqlite:///{tmp_path}/clips.db"},
        }
    )
    body = {"hand_id": "h", "nas_video_path": "/nas/a.mp4", "start_seconds": 1, "end_seconds": 2}
    with served(create_app(config)) as url:
        health = requests.get(f"{url}/health", timeout=30)
        refused = requests.post(f"{url}/v1/clip/request", json=body, timeout=30)
    assert health.status_code == 503
    assert (health.json()["status"], health.json()["api_status"]) == ("degraded", "unavailable")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "QUEUE_UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0


def test_a_database_that_is_busy_for_too_long_is_unavailable(make_api: MakeApi) -> None:
    api = make_api()
    with api.database() as database, database.write():
        refused = api.request()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "QUEUE_UNAVAILABLE")
    assert api.request().status_code == 202
    assert api.counts()["requests"] == 1


def test_health_names_the_installation(api: ApiProcess, make_api: MakeApi) -> None:
    assert anonymous(api, "/health").json()["environment"] == "production"
    staging = make_api(api={"environment": "staging"})
    assert anonymous(staging, "/health").json()["environment"] == "staging"


def test_the_root_leads_browsers_to_the_console_and_programs_on(api: ApiProcess) -> None:
    def root(accept: str) -> requests.Response:
        return requests.get(f"{api.url}/", headers={"Accept": accept}, timeout=30, allow_redirects=False)

    browser = root("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
    assert (browser.status_code, browser.headers["Location"]) == (302, "/console/")
    for accept in ("*/*", "application/json", "application/json, text/html"):
        index = root(accept)
        assert (index.status_code, index.headers["Content-Type"]) == (200, "application/json")
        assert index.headers["Vary"] == "Accept"
        for name in ("docs_url", "openapi_url", "health_url"):
            assert requests.get(index.json()[name], timeout=30).status_code == 200


def test_the_contract_is_the_repositorys(api: ApiProcess) -> None:
    answer = anonymous(api, "/openapi.yaml")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/yaml")
    written = Path(package.__path__[0]).parent / "openapi.yaml"
    assert yaml.safe_load(answer.content) == yaml.safe_load(written.read_bytes())


def test_the_page_loads_nothing_from_elsewhere(api: ApiProcess) -> None:
    page = anonymous(api, "/docs")
    assert page.status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 4
    for link in links:
        assert link.startswith("/")
        assert anonymous(api, link).status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=", page.text)
    assert "SwaggerUIBundle" in anonymous(api, "/docs/assets/docs.js").text


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.yaml", "/nothing", "/v1/clip/x/status"])
def test_every_answer_carries_the_headers(api: ApiProcess, path: str) -> None:
    headers = anonymous(api, path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Request-Id"]
    assert headers["Cache-Control"]
    assert headers["X-Frame-Options"] == "DENY"
    # Other pages may learn that there is an answer, but not read it.
    anyone = path == "/health"
    assert headers["Cross-Origin-Resource-Policy"] == ("cross-origin" if anyone else "same-origin")
    assert "waitress" not in headers.get("Server", "").lower()


def test_browsers_are_held_to_https_where_it_is_used(tmp_path: Path) -> None:
    for url, expected in (("https://clips.example.com", True), ("http://127.0.0.1:8000", False)):
        tree = {
            "storage": {"path": str(tmp_path / "store")},
            "api": {"public_url": url, "database_url": f"sqlite:///{tmp_path}/clips.db"},
        }
        with create_app(validate(tree)).test_client() as client:
            assert ("Strict-Transport-Security" in client.get("/nothing").headers) == expected


def test_prometheus_reads_counts_and_the_queue(api: ApiProcess) -> None:
    api.request()
    anonymous(api, "/no/route/of/ours/1")
    anonymous(api, "/no/route/of/ours/2")
    answer = anonymous(api, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.text
    assert 'clipping_api_requests_total{method="POST",route="/v1/clip/request",status="202"}' in text
    assert 'clipping_api_request_seconds_bucket{le="0.05",method="POST",route="/v1/clip/request"}' in text
    assert 'clipping_api_requests_total{method="any",route="other",status="404"} ' in text
    assert "ours/1" not in text
    for name in (
        "clipping_api_database_up 1.0",
        'clipping_api_clips{lane="interactive",status="queued"}',
        "clipping_api_outbox ",
        "clipping_api_outbox_age_seconds",
        "clipping_api_event_streams 0.0",
    ):
        assert name in text


def test_a_proxys_word_counts_only_where_it_is_trusted(make_api: MakeApi) -> None:
    for proxies, expected in ((0, "127.0.0.1"), (1, "203.0.113.7")):
        api = make_api(api={"trusted_proxies": proxies})
        api.get("/v1/clips", headers={"Authorization": "x", "X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
        line = eventually(lambda api=api: [x for x in api.log.read_text().splitlines() if '"audit"' in x])[0]  # type: ignore[misc]
        assert f'"address": "{expected}"' in line


def test_a_callers_request_id_is_kept_when_it_is_one(api: ApiProcess) -> None:
    assert anonymous(api, "/health", **{"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    for bad in ("a b", "x" * 65, "<script>", ""):
        assert anonymous(api, "/health", **{"X-Request-Id": bad}).headers["X-Request-Id"] != bad


def test_the_unforeseen_is_answered_with_an_id_that_is_in_the_log(make_api: MakeApi) -> None:
    api = make_api()
    request_id = api.request().json()["request_id"]
    with api.database() as database, database.write() as session:
        session.execute(text("UPDATE requests SET spec = '[]'"))  # nothing of ours writes such a row
    answer = api.get(f"/v1/clip/{request_id}/status", headers={"X-Request-Id": "look-for-me"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
    assert "look-for-me" in answer.json()["error"]["message"]
    assert "Traceback" not in answer.text
    lines = [line for line in api.log.read_text().splitlines() if "look-for-me" in line]
    assert any("Traceback" in line for line in lines)
