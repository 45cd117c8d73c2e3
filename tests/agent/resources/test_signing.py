"""An agent that can upload clips but can't sign links."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from agent.resources.signing import SigningCheck, local_verdict, remote_verdict
from agent.work.job import Job
from clipping.clock import SystemClock
from clipping.errors import SigningUnavailable
from clipping.store.gcs import GcsStore
from clipping.store.local import LocalStore
from clipping.store.signing import Fetched, FetchState, judge
from tests.agent.agent_process import AgentProcess
from tests.agent.bench import Bench
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.iam_server import IamServer
from tests.support.media import Recording, make
from tests.support.waiting import eventually

ROLE = "roles/iam.serviceAccountTokenCreator"


@pytest.fixture
def iam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IamServer]:
    with IamServer(tmp_path / "iam", ServiceAccount(tmp_path)) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGcs]:
    with FakeGcs() as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def agent(tmp_path: Path, iam: IamServer, gcs: FakeGcs) -> Iterator[AgentProcess]:
    """With clips in a bucket, and links that IAM signs."""
    (tmp_path / "nas").mkdir()
    shutil.copy(make(Recording(seconds=12)), tmp_path / "nas" / "night.mp4")
    with AgentProcess(tmp_path, storage={"backend": "gcs", "bucket": gcs.bucket()}) as agent:
        yield agent


def finding(agent: AgentProcess) -> tuple[int, dict[str, Any]]:
    """The doctor's exit code, and what it says about signing."""
    done = agent.command("doctor", "--json")
    (found,) = (one for one in json.loads(done.stdout) if one["name"] == "signing")
    return done.returncode, found


def health(agent: AgentProcess) -> tuple[int, dict[str, Any]]:
    answer = requests.get(agent.health_url, timeout=5)
    return answer.status_code, answer.json()


@pytest.mark.slow
def test_without_the_right_to_sign_it_says_why_and_takes_no_clips(
    agent: AgentProcess, iam: IamServer
) -> None:
    code, found = finding(agent)
    assert (code, found["ok"], found["detail"]) == (0, True, "signed a link and fetched it")
    iam.iam.allowed = False
    code, found = finding(agent)
    assert (code, found["ok"]) == (1, False)
    assert ROLE in found["detail"]
    assert iam.iam.account.email in found["detail"]

    message = agent.send()
    # On a slow machine they were paused before, until the first check.
    held = "signing: SIGNING_UNAVAILABLE: could not sign a link"
    eventually(
        lambda: any(one["reason"].startswith(held) for one in agent.events("intake.paused")),
        "the streams to be closed",
        logs=agent.log,
    )
    eventually(lambda: not health(agent)[1]["eligible"], "the leader's grace to end", within=90, every=0.5)
    status, body = health(agent)
    assert (status, body["status"]) == (200, "degraded")
    (why,) = [one for one in body["reasons"] if one.startswith("signing: ")]
    assert why.startswith("signing: SIGNING_UNAVAILABLE: ")
    assert ROLE in why
    assert why in agent.command("ctl", "status").stdout
    waiting = agent.send()
    assert not agent.completions_within(waiting.request_id, seconds=3)

    iam.iam.allowed = True
    for one in (message, waiting):
        (completion,) = agent.completed(one.request_id, timeout=90)
        assert completion.status == "completed"
    assert completion.attempt == 1, "its attempts are not used up"
    assert {one["code"] for one in agent.events("clip.retry")} == {"SIGNING_UNAVAILABLE"}
    eventually(lambda: health(agent)[1]["eligible"], "the agent to be eligible again", every=0.5)
    eventually(lambda: health(agent)[1]["reasons"] == [], "the streams to be open", every=0.5)


def test_a_clip_that_could_not_be_signed_is_signed_again_and_not_uploaded_again(bench: Bench) -> None:
    bench.break_signing()
    message, job = bench.message(), Job("r", 0.0)
    with pytest.raises(SigningUnavailable, match=r"signing\.key is damaged"):
        bench.run_until_uploaded(message, job)
    (key,) = bench.clips()
    before = bench.store.stat(key)
    bench.recording.unlink()  # so that it could not be cut again
    bench.mend_signing()
    completion = bench.runner.run(message, Job("r", 0.0), attempt=2)
    assert (completion.status, completion.attempt) == ("completed", 2)
    assert completion.download_url
    assert bench.store.stat(key) == before


def test_within_an_attempt_only_the_signature_is_repeated(bench: Bench) -> None:
    """The local store takes the spooled file over: there is nothing left to upload again."""
    bench.break_signing()
    message, job = bench.message(), Job("r", 0.0)
    with bench.when_uploaded(bench.mend_signing):
        completion = bench.runner.run(message, job, attempt=1)
    assert (completion.status, completion.attempt) == ("completed", 1)


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (200, b"{}", "good"),
        (200, b"{} and more", "refused"),
        (200, b"", "refused"),
        (302, b"", "refused"),
        (400, b"<Error><Code>ExpiredToken</Code></Error>", "refused"),
        (403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>", "refused"),
        (404, b"<Error><Code>NoSuchKey</Code></Error>", "missing"),
        (410, b"", "missing"),
        (429, b"", "unreachable"),
        (500, b"", "unreachable"),
        (503, b"", "unreachable"),
    ],
)
def test_what_an_answer_to_a_link_means(status: int, body: bytes, state: FetchState) -> None:
    found = judge(status, body, b"{}")
    assert found.state == state
    if status in (400, 403):
        assert "<Code>" in found.detail


@pytest.mark.parametrize("state", ["good", "unreachable"])
def test_an_endpoint_that_does_not_answer_is_no_failure_of_signing(state: FetchState) -> None:
    for verdict in (local_verdict, remote_verdict):
        assert "http://h:1" in verdict(Fetched(state, "why"), "http://h:1/k?sig=secret") or state == "good"
        assert "secret" not in verdict(Fetched(state, "why"), "http://h:1/k?sig=secret")


def test_an_endpoint_that_refuses_is_one() -> None:
    for verdict in (local_verdict, remote_verdict):
        with pytest.raises(SigningUnavailable, match="SignatureDoesNotMatch"):
            verdict(Fetched("refused", "403: SignatureDoesNotMatch"), "http://h:1/k?sig=secret")
    with pytest.raises(SigningUnavailable, match=r"api\.public_url"):
        local_verdict(Fetched("missing", "410"), "http://h:1/k")
    assert "deleted" in remote_verdict(Fetched("missing", "404"), "http://h:1/k")


def test_the_check_writes_its_object_once_and_again_when_it_was_deleted(iam: IamServer, gcs: FakeGcs) -> None:
    store = GcsStore(gcs.bucket())
    check = SigningCheck(store, "main", "nas-1", SystemClock())
    assert not check.local
    assert check.look() == "signed a link and fetched it"
    (info,) = store.list("ha/main/").objects
    assert check.look() == "signed a link and fetched it"
    assert store.list("ha/main/").objects == (info,)
    store.delete(info.key)
    assert "deleted" in check.look()
    assert check.look() == "signed a link and fetched it"
    again = SigningCheck(store, "main", "nas-1", SystemClock())  # after a restart
    assert again.look() == "signed a link and fetched it"
    iam.iam.allowed = False
    with pytest.raises(SigningUnavailable, match=f"^SIGNING_UNAVAILABLE: .*{ROLE}"):
        again.look()
    store.close()


def test_a_local_store_verifies_its_links_itself(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, public_url="http://127.0.0.1:9")
    check = SigningCheck(store, "main", "nas-1", SystemClock())
    assert check.local
    assert check.look() == "signed and verified a link"
    (tmp_path / "signing.key").write_text("00ff")
    with pytest.raises(SigningUnavailable, match=r"^SIGNING_UNAVAILABLE: .*signing\.key is damaged"):
        check.look()
    (tmp_path / "signing.key").unlink()
    assert check.look() == "signed and verified a link"
