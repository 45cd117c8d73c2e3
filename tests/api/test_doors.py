"""Who may reach which route, by what they show at the door: a table of answers."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from api.app import create_app
from tests.api.api_process import ADMIN, CLIENT, STRANGER, ApiProcess
from tests.support.broker import BrokerProcess
from tests.support.oidc import CertificateServer, Signer
from tests.support.waiting import eventually

AUDIENCE = "https://clips.example.com"
PUSH_AUDIENCE = "https://clips.example.com/v1/internal/pubsub"
EDITOR, OPERATOR, OUTSIDER = "editor@example.com", "ops@example.com", "other@example.com"
PUSHER = "push@clips.iam.gserviceaccount.com"

CLIENT_ROUTES = {
    "POST /v1/clip/request": 415,
    "POST /v1/clip/batch": 415,
    "POST /v1/clip/plan": 415,
    "GET /v1/clip/{id}/status": 200,
    "GET /v1/clip/{id}/events": 200,
    "GET /v1/clip/{id}/download": 409,
    "POST /v1/clip/{id}/cancel": 202,
    "POST /v1/clip/{id}/retry": 409,
    "POST /v1/reel/request": 415,
    "GET /v1/reel/{reel}/status": 200,
    "GET /v1/reel/{reel}/events": 200,
    "GET /v1/reel/{reel}/download": 409,
    "POST /v1/reel/{reel}/cancel": 202,
    "POST /v1/reel/{reel}/retry": 409,
    "POST /v1/uploads": 415,
    "GET /v1/clips": 200,
    "GET /v1/stats": 200,
    "GET /v1/stats/timeseries": 200,
    "GET /v1/quota": 200,
    "GET /v1/events": 200,
    "POST /v1/previews/token": 200,
    "GET /v1/recordings": 200,
    "GET /preview/v1/recordings": 503,
    "GET /preview/v1/recordings/x": 503,
    "GET /preview/v1/recordings/x/keyframes": 503,
    "GET /preview/v1/recordings/x/window.mp4": 503,
    "GET /preview/v1/recordings/x/strip.jpg": 503,
    "GET /preview/v1/recordings/x/strip.vtt": 503,
    "GET /preview/v1/recordings/x/peaks": 503,
    "GET /preview/v1/recordings/x/still.jpg": 503,
}
"""Each with the answer of a caller who may, and sends no body. There is no agent for previews."""
ADMIN_ROUTES = {
    "GET /v1/admin/agents": 200,
    "GET /v1/admin/takeovers": 200,
    "POST /v1/admin/agents/nas-1/failover": 404,
    "GET /v1/admin/failovers/none": 404,
    "POST /v1/admin/pause": 200,
    "POST /v1/admin/resume": 200,
}
OPEN_ROUTES = {
    "GET /": 200,
    "GET /health": 200,
    "GET /metrics": 200,
    "GET /openapi.yaml": 200,
    "GET /console/": 200,
    "GET /console/app.js": 200,
    "GET /docs": 200,
    "GET /docs/assets/docs.js": 200,
}
PUSH_ROUTE = "POST /v1/internal/pubsub"
LINK_ROUTES = ("GET /v1/files/clips/h/c.mp4", "PUT /v1/uploads/uploads/t/u/r.mp4")
"""Authorized by the signature in the link alone."""


class Doors:
    """A running API with keys, accounts and push, and all kinds of credentials."""

    def __init__(self, api: ApiProcess, signer: Signer, foreign: Signer) -> None:
        self.api = api
        head, _, signature = signer.token().split(".")
        body = signer.token(email=OPERATOR).split(".")[1]
        none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT","kid":"key-1"}').decode().rstrip("=")
        expired = int(time.time()) - 3600
        self.credentials: dict[str, str | None] = {
            "client key": CLIENT,
            "admin key": ADMIN,
            "client account": signer.token(),
            "admin account": signer.token(email=OPERATOR),
            "account that is not allowed": signer.token(email=OUTSIDER),
            "unverified address": signer.token(email_verified=False),
            "expired": signer.token(iat=expired - 3600, exp=expired),
            "other audience": signer.token(aud="https://other.example.com"),
            "other issuer": signer.token(iss="https://login.example.com"),
            "other signer": foreign.token(),
            "tampered": f"{head}.{body}.{signature}",
            "unsigned": f"{none}.{body}.",
            "unknown key": "guess",
            "a key's hash": api.config.api.keys[0].sha256,
            "push token": signer.token(aud=PUSH_AUDIENCE, email=PUSHER),
            "none": None,
        }
        self.ids = {
            "id": api.request().json()["request_id"],
            "reel": api.request_reel().json()["request_id"],
        }

    def knock(self, route: str, who: str) -> requests.Response:
        method, path = route.split(" ")
        credential = self.credentials[who]
        headers = {"Authorization": f"Bearer {credential}"} if credential is not None else {}
        url = self.api.url + path.format(**self.ids)
        with requests.request(method, url, headers=headers, timeout=30, stream=True) as answer:
            if not answer.headers["Content-Type"].startswith("text/event-stream"):
                assert answer.content is not None
        return answer


@pytest.fixture(scope="module")
def doors(broker: BrokerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    signer = Signer("key-1", audience=AUDIENCE, email=EDITOR)
    foreign = Signer("key-1", audience=AUDIENCE, email=EDITOR)
    with CertificateServer([signer]) as certificates:
        over: dict[str, Any] = {
            "api": {
                "oidc": {
                    "audience": AUDIENCE,
                    "accounts": {EDITOR: "client", OPERATOR: "admin"},
                    "certs_url": certificates.url,
                },
                "push": {
                    "audience": PUSH_AUDIENCE,
                    "service_account": PUSHER,
                    "certs_url": certificates.url,
                },
                # Nothing listens there: these tests push by themselves.
                "public_url": "http://127.0.0.1:9",
            }
        }
        folder = tmp_path_factory.mktemp("doors")
        (folder / "preview.key").write_text("a-secret-of-the-API-and-the-agents")
        over["preview"] = {"key": str(folder / "preview.key")}
        api = ApiProcess(folder / "api", emulator=broker.host_port, over=over)
        yield Doors(api, signer, foreign)
        api.close()


TRUSTED = {
    "client key": "client",
    "admin key": "admin",
    "client account": "client",
    "admin account": "admin",
}
KNOWN_TO_GOOGLE = ("account that is not allowed", "unverified address")
REFUSED = (
    "expired",
    "other audience",
    "other issuer",
    "other signer",
    "tampered",
    "unsigned",
    "unknown key",
    "a key's hash",
    "push token",
    "none",
)
WHO = (*TRUSTED, *KNOWN_TO_GOOGLE, *REFUSED)


def expected(route: str, who: str) -> int:
    """The table's rule."""
    if route in OPEN_ROUTES:
        return OPEN_ROUTES[route]
    if route in LINK_ROUTES:
        return 403
    if route == PUSH_ROUTE:
        return 204 if who == "push token" else 401
    if who in REFUSED:
        return 401
    if who in KNOWN_TO_GOOGLE:
        return 403
    if route in CLIENT_ROUTES:
        if who == "client account" and "{" in route:
            return 404  # they are the key's
        return CLIENT_ROUTES[route]
    return ADMIN_ROUTES[route] if TRUSTED[who] == "admin" else 403


COLUMNS = ("client key", "admin key", "client account", "admin account", *KNOWN_TO_GOOGLE, *REFUSED)


def page_table() -> str:
    """The table as docs/reference/access.md has it."""
    routes = [*CLIENT_ROUTES, *ADMIN_ROUTES, *OPEN_ROUTES, PUSH_ROUTE, *LINK_ROUTES]
    lines = ["| route | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for route in routes:
        answers = " | ".join(str(expected(route, who)) for who in COLUMNS)
        lines.append(f"| `{route}` | {answers} |")
    return "\n".join(lines) + "\n"


CODES = {
    401: {"UNAUTHORIZED"},
    403: {"FORBIDDEN"},
    404: {"NOT_FOUND"},
    409: {"NOT_READY", "NOT_FINISHED", "ALREADY_FINISHED"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
    503: {"PREVIEW_UNAVAILABLE"},
}


@pytest.mark.parametrize("route", [*CLIENT_ROUTES, *ADMIN_ROUTES, *OPEN_ROUTES, PUSH_ROUTE, *LINK_ROUTES])
def test_table(doors: Doors, route: str) -> None:
    answers = {who: doors.knock(route, who) for who in WHO}
    got = {who: answer.status_code for who, answer in answers.items()}
    wanted = {who: expected(route, who) for who in WHO}
    if route.endswith("/cancel"):
        # The first who may has cancelled it.
        assert got.pop("admin key") in (202, 409)
        assert got.pop("admin account") == 409
        del wanted["admin key"], wanted["admin account"]
    if route.endswith("/retry"):
        # It may be cancelled already.
        for who in ("client key", "admin key", "admin account"):
            assert got.pop(who) in (202, wanted.pop(who))
    assert got == wanted
    for answer in answers.values():
        if answer.status_code >= 400:
            assert answer.json()["error"]["code"] in CODES[answer.status_code]
        assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)


def test_the_page_shows_this_table() -> None:
    assert page_table() in (Path(__file__).parents[2] / "docs" / "reference" / "access.md").read_text()


def test_the_table_has_every_route(doors: Doors) -> None:
    app: Flask = create_app(doors.api.config)
    rules = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    app.extensions["clipping"].database.close()
    names = {
        "{id}": "<request_id>",
        "{reel}": "<request_id>",
        "agents/nas-1": "agents/<agent_id>",
        "failovers/none": "failovers/<operation_id>",
        "files/clips/h/c.mp4": "files/<path:key>",
        "uploads/uploads/t/u/r.mp4": "uploads/<path:key>",
        "assets/docs.js": "assets/<name>",
        "console/app.js": "console/<name>",
        "recordings/x": "recordings/<recording_id>",
    }
    table = set()
    for route in (*CLIENT_ROUTES, *ADMIN_ROUTES, *OPEN_ROUTES, PUSH_ROUTE, *LINK_ROUTES):
        for ours, theirs in names.items():
            route = route.replace(ours, theirs)
        table.add(route)
    assert rules == table


def test_a_strangers_clip_is_not_there(doors: Doors) -> None:
    for route in (route for route in CLIENT_ROUTES if "{" in route):
        method, path = route.split(" ")
        url = doors.api.url + path.format(**doors.ids)
        stranger = requests.request(method, url, headers={"Authorization": f"Bearer {STRANGER}"}, timeout=30)
        nobodys = requests.request(
            method,
            re.sub(r"(clip|reel)-\d{8}-\w+", r"\1-20261120-000000000000", url),
            headers={"Authorization": f"Bearer {STRANGER}"},
            timeout=30,
        )
        assert (stranger.status_code, stranger.json()["error"]) == (404, nobodys.json()["error"])


def test_an_account_owns_what_it_asks_for(doors: Doors) -> None:
    body = {
        "hand_id": "h",
        "nas_video_path": f"{doors.api.root}/a.mp4",
        "start_seconds": 0,
        "end_seconds": 1,
    }
    headers = {"Authorization": f"Bearer {doors.credentials['client account']}"}
    asked = requests.post(f"{doors.api.url}/v1/clip/request", json=body, headers=headers, timeout=30)
    assert asked.status_code == 202
    url = f"{doors.api.url}/v1/clip/{asked.json()['request_id']}/status"
    assert requests.get(url, headers=headers, timeout=30).status_code == 200
    assert doors.api.get(url.removeprefix(doors.api.url)).status_code == 404


def test_changes_and_refusals_are_in_the_audit_trail(doors: Doors) -> None:
    doors.api.session.headers["X-Request-Id"] = "audit-1"
    request_id = doors.api.request().json()["request_id"]
    doors.api.session.headers["X-Request-Id"] = "audit-2"
    doors.api.post("/v1/admin/pause", json={})
    doors.api.session.headers["X-Request-Id"] = "audit-3"
    doors.api.get(f"/v1/clip/{request_id}/status", headers={"Authorization": "Bearer guess"})
    doors.api.session.headers["X-Request-Id"] = "audit-4"
    doors.api.get(f"/v1/clip/{request_id}/status")
    del doors.api.session.headers["X-Request-Id"]

    def lines() -> dict[str, dict[str, Any]] | None:
        entries = (
            json.loads(line) for line in doors.api.log.read_text().splitlines() if line.startswith("{")
        )
        found = {each["id"]: each for each in entries if each["message"] == "audit"}
        return found if "audit-3" in found else None

    seen = eventually(lines)
    took = seen["audit-1"]
    assert (took["who"], took["role"], took["via"]) == ("web", "client", "key")
    assert (took["what"], took["status"], took["address"]) == ("request_clip", 202, "127.0.0.1")
    assert took["request_id"] == request_id
    refused = seen["audit-2"]
    assert (refused["who"], refused["status"], refused["code"]) == ("web", 403, "FORBIDDEN")
    unknown = seen["audit-3"]
    assert (unknown.get("who"), unknown["status"], unknown["code"]) == (None, 401, "UNAUTHORIZED")
    assert "audit-4" not in seen


def test_no_credential_is_ever_logged(doors: Doors) -> None:
    for who in WHO:
        for route in (PUSH_ROUTE, "GET /v1/clips"):
            doors.knock(route, who)
    log = doors.api.log.read_text()
    assert "oidc.token_refused" in log
    secrets = {
        part for each in doors.credentials.values() if each for part in (each, each.rpartition(".")[2])
    }
    assert [secret for secret in secrets - {""} if secret in log] == []
