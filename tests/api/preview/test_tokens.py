"""What the API does with preview tokens before an agent is asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clipping.contract.preview_keys import PreviewKeys
from tests.api.owned import Service, service
from tests.api.preview.test_agents import PATH, agent

SECRET = "a-secret-of-the-API-and-the-agents"
KEYS, FOREIGN = PreviewKeys(SECRET), PreviewKeys("the-secret-of-another-cluster-0123")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, list[str]]]:
    """A service with an agent, and what that was asked for."""
    folder: Path = tmp_path_factory.mktemp("tokens")
    (folder / "key").write_text(SECRET)
    with agent() as (url, asked):
        preview = {"key": str(folder / "key"), "agents": {"nas-1": url}}
        with service(folder, {}, over={"preview": preview}) as at:
            yield at, asked


def token(*, keys: PreviewKeys = KEYS, seconds: int = 900) -> str:
    return keys.token("ada", ["/nas"], datetime.now(UTC), seconds=seconds)[0]


def tampered() -> list[str]:
    """A token of which one character is another, at each place in turn."""
    good = token()
    return [
        good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]
        for at in range(len(good) - 1)  # of the last one, not all bits count
    ]


def test_a_good_token_is_passed_on(at: tuple[Service, list[str]]) -> None:
    service, asked = at
    before = len(asked)
    assert service.client.get(f"{PATH}?token={token()}", buffered=True).status_code == 200
    headers = {"Authorization": f"Bearer {token()}"}
    assert service.client.get(PATH, headers=headers, buffered=True).status_code == 200
    assert len(asked) == before + 2


@pytest.mark.parametrize("place", ["header", "query"])
def test_other_tokens_reach_no_agent(at: tuple[Service, list[str]], place: str) -> None:
    service, asked = at
    before = list(asked)
    cases = {token(seconds=-1): "TOKEN_EXPIRED", token(keys=FOREIGN): "UNAUTHORIZED"}
    cases |= dict.fromkeys([*tampered(), KEYS.recording_id("/nas/a.mp4")], "UNAUTHORIZED")
    for given, code in cases.items():
        headers = {"Authorization": f"Bearer {given}"} if place == "header" else {}
        query = {"token": given} if place == "query" else {}
        answer = service.client.get(PATH, query_string=query, headers=headers, buffered=True)
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (401, code), given
    assert asked == before


def test_a_token_is_good_for_previews_only(at: tuple[Service, list[str]]) -> None:
    service, _ = at
    headers = {"Authorization": f"Bearer {token()}"}
    for method, path in (
        ("POST", "/v1/clip/request"),
        ("GET", "/v1/clips"),
        ("GET", "/v1/recordings"),
        ("POST", "/v1/previews/token"),
        ("GET", "/v1/admin/agents"),
    ):
        answer = service.client.open(path, method=method, headers=headers, json={}, buffered=True)
        assert answer.status_code == 401, path
        with_query = service.client.open(f"{path}?token={token()}", method=method, json={}, buffered=True)
        assert with_query.status_code == 401, path
