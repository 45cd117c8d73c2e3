"""`provision` and `doctor` with an S3-compatible store: a real SeaweedFS and a real broker."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.commands import doctor
from clipping.config import validate
from clipping.exits import EXIT_OK
from tests.support.broker import BrokerProcess
from tests.support.http_proxy import Exchange, HttpProxy, Instead
from tests.support.seaweed import Seaweed


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerProcess]:
    broker = BrokerProcess(tmp_path / "broker")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
    yield broker
    broker.stop()


def tree(seaweed: Seaweed, folder: Path, **storage: Any) -> dict[str, Any]:
    s3 = {"backend": "s3", "endpoint": seaweed.url, "credentials": str(seaweed.credentials), **storage}
    return {"agent": {"state_dir": str(folder / "state")}, "storage": s3}


def provision(
    tree: dict[str, Any], folder: Path, capsys: pytest.CaptureFixture[str], *options: str
) -> list[str]:
    """The changes that are about the store."""
    file = folder / "config.yaml"
    file.write_text(json.dumps(tree))
    assert main(["provision", "--config", str(file), "--json", *options]) == EXIT_OK
    changes: list[str] = json.loads(capsys.readouterr().out)
    return [change for change in changes if "topic" not in change and "subscription" not in change]


@pytest.mark.slow
def test_a_new_bucket_is_set_up_once(
    seaweed: Seaweed, broker: BrokerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tree(
        seaweed,
        tmp_path,
        bucket="new-clips",
        coordination_bucket="new-leases",
        prefix="team/",
        retention_days=9,
    )
    wanted["api"] = {"cors_origins": ["https://clips.example.com", "http://localhost:3000"]}
    wanted["owners"] = {"ada": {"prefix": "ada/"}}
    expected = [
        "create the bucket new-clips",
        "create the bucket new-leases",
        "delete objects older than 9 days from s3://new-clips/team/clips/",
        "delete objects older than a day from s3://new-clips/team/shorts/",
        "delete objects older than 9 days from s3://new-clips/team/reels/",
        "delete objects older than 9 days from s3://new-clips/team/uploads/",
        "delete objects older than a day from s3://new-clips/team/previews/",
        "delete objects older than 9 days from s3://new-clips/team/ada/clips/",
        "delete objects older than a day from s3://new-clips/team/ada/shorts/",
        "delete objects older than 9 days from s3://new-clips/team/ada/reels/",
        "delete objects older than 9 days from s3://new-clips/team/ada/uploads/",
        "delete objects older than a day from s3://new-clips/team/ada/previews/",
        "delete objects older than 8 days from s3://new-clips/team/cancels/",
        "delete the parts of uploads to new-clips that are unfinished after a day",
        "let pages of https://clips.example.com, http://localhost:3000 upload to new-clips",
        "create the lease of cluster default",
    ]
    assert provision(wanted, tmp_path, capsys, "--dry-run") == expected
    assert provision(wanted, tmp_path, capsys, "--dry-run") == expected, "it changes nothing"
    assert provision(wanted, tmp_path, capsys) == expected
    assert provision(wanted, tmp_path, capsys, "--dry-run") == []
    assert provision(wanted, tmp_path, capsys) == []
    found = seaweed.admin.list_objects_v2(Bucket="new-leases")["Contents"]
    assert [each["Key"] for each in found] == ["team/ha/default/lease.json"], "what it tried is removed"
    wanted["storage"]["retention_days"] = 10
    assert provision(wanted, tmp_path, capsys) == [
        change.replace("9 days", "10 days") for change in expected if "9 days" in change
    ]


def findings(tree: dict[str, Any]) -> dict[str, tuple[bool, str]]:
    """The doctor's findings about the store."""
    config = validate(tree)
    checks = {"store": doctor._store, "signing": doctor._signing, "clock": doctor._clock}
    found = (
        doctor._finding(name, lambda check=check: check(config), threading.Event())  # type: ignore[misc]
        for name, check in checks.items()
    )
    return {finding.name: (finding.ok, finding.detail) for finding in found}


def test_the_doctor_tries_the_store(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = findings(tree(seaweed, tmp_path, bucket=s3_bucket))
    assert found["store"] == (True, "s3: wrote, read and removed an object; stale writes are refused")
    assert found["signing"] == (True, "signed a link and fetched it")
    assert found["clock"][0]
    assert "Contents" not in seaweed.admin.list_objects_v2(Bucket=s3_bucket), "nothing is left behind"


def test_the_doctor_finds_a_store_without_conditional_writes(
    seaweed: Seaweed, s3_bucket: str, tmp_path: Path
) -> None:
    def ignore(asked: Exchange) -> Instead | None:
        answer = Instead(200, b"", {"ETag": '"1"', "Date": "Sun, 29 Nov 2026 00:00:00 GMT"})
        return answer if asked.status == 412 else None

    (tmp_path / "state").mkdir()
    with HttpProxy(seaweed.host_port) as proxy:
        proxy.after = ignore
        found = findings(tree(seaweed, tmp_path, bucket=s3_bucket, endpoint=proxy.url))
    ok, detail = found["store"]
    assert not ok
    assert (
        "the store ignores the condition of a write (If-None-Match: *): two agents could lead at once"
        in detail
    )
    seaweed.empty(s3_bucket)


def test_the_doctor_names_what_is_wrong(seaweed: Seaweed, s3_bucket: str, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = findings(tree(seaweed, tmp_path, bucket="not-there"))
    assert found["store"] == (
        False,
        "Could not write "
        + found["store"][1].removeprefix("Could not write ").partition(":")[0]
        + ": the bucket not-there does not exist: run `clipping-agent provision`.",
    )
    links = tree(seaweed, tmp_path, bucket=s3_bucket, public_endpoint="http://127.0.0.1:9")
    found = findings(links)
    assert found["store"][0]
    assert "not fetched, as http://127.0.0.1:9 can't be reached" in found["signing"][1]
    missing = findings(tree(seaweed, tmp_path, bucket=s3_bucket, credentials=str(tmp_path / "none")))
    assert all("storage.credentials" in detail for ok, detail in missing.values() if not ok)
    assert not any(ok for ok, _ in missing.values())
