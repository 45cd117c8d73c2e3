"""`clipping up --store s3` on a real SeaweedFS."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from clipping.config import validate
from embedded.storage import prepare
from tests.support.http_proxy import Exchange, HttpProxy, Instead, s3_error
from tests.support.media import Recording, make
from tests.support.seaweed import READER_KEY, READER_SECRET, Seaweed
from tests.support.stack import RunningStack
from tests.support.up import Up


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No access key but those that a test gives."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CLIPPING_STORAGE__"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def refused(tmp_path: Path, *options: object) -> tuple[int, str]:
    """The exit code of a start that fails before it starts anything, and what it printed."""
    up = Up(tmp_path, "--data", tmp_path / "data", "--port", 0, *options)
    code = up.exit_code()
    assert "starting" not in up.output()
    return code, up.output().strip()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--bucket", "clips"], r"--bucket: is for --store s3: add that"),
        (["--store", "local", "--endpoint", "http://nas:9000"], r"--endpoint: is for --store s3: add that"),
        (["--store", "s3"], r"--bucket: is required by --store s3: name one, which may be missing yet"),
        (
            ["--store", "s3", "--bucket", "clips", "--endpoint", "http://nas:9000/"],
            r"--endpoint: 'http://nas:9000/' must be scheme, host and port alone, as in http://nas.local:9000",
        ),
        (
            ["--store", "s3", "--bucket", "clips", "--credentials", "/none"],
            r"--credentials: /none is not a file: write the access key to it, see docs/how-to/s3.md",
        ),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: list[str], message: str) -> None:
    assert refused(tmp_path, *options) == (78, f"configuration: {message}")


def test_an_unknown_kind_of_store_is_an_error_of_usage(tmp_path: Path) -> None:
    code, output = refused(tmp_path, "--store", "gcs")
    assert code == 2
    assert "--store: invalid choice: 'gcs' (choose from" in output


def credentials(folder: Path, key: str, secret: str) -> Path:
    path = folder / "other-credentials"
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    return path


@pytest.mark.parametrize(
    ("key", "secret", "message"),
    [
        (None, "", r".*set storage.credentials to a file with the access key, or AWS_ACCESS_KEY_ID and.*"),
        (
            "unknown",
            "secret-word",
            r"Could not look up the bucket to-be-created: the credentials .* check storage.credentials.*",
        ),
        (
            READER_KEY,
            READER_SECRET,
            r"storage.bucket: there is no bucket to-be-created, and this access key may not create one: "
            r"create it, or allow the key s3:CreateBucket.*",
        ),
    ],
    ids=["none", "unknown", "reader"],
)
def test_keys_that_do_not_fit(
    tmp_path: Path, seaweed: Seaweed, key: str | None, secret: str, message: str
) -> None:
    options: list[object] = ["--store", "s3", "--endpoint", seaweed.url, "--bucket", "to-be-created"]
    if key is not None:
        options += ["--credentials", credentials(tmp_path, key, secret)]
    code, output = refused(tmp_path, *options)
    assert code == 1
    assert re.fullmatch(f"STORE_UNAVAILABLE: {message}", output)
    assert key is None or secret not in output


def test_a_store_that_is_not_there(tmp_path: Path, seaweed: Seaweed) -> None:
    place = ["--store", "s3", "--endpoint", "http://127.0.0.1:1", "--bucket", "clips"]
    code, output = refused(tmp_path, *place, "--credentials", seaweed.credentials)
    assert code == 1
    assert re.search(
        r"the store can't be reached \(.*\): check storage.endpoint, and that the store runs", output
    )


def test_a_store_that_ignores_conditions(tmp_path: Path, seaweed: Seaweed, s3_bucket: str) -> None:
    def ignore(asked: Exchange) -> Instead | None:
        ignored = asked.status == 412 and "If-None-Match" in asked.headers
        headers = {"ETag": '"1"', "Date": "Sun, 29 Nov 2026 00:00:00 GMT"}
        return Instead(200, b"", headers) if ignored else None

    with HttpProxy(seaweed.host_port) as proxy:
        proxy.after = ignore
        place = ["--store", "s3", "--endpoint", proxy.url, "--bucket", s3_bucket]
        code, output = refused(tmp_path, *place, "--credentials", seaweed.credentials)
    assert code == 1
    assert output.startswith(
        "STORE_UNAVAILABLE: the store ignores the condition of a write (If-None-Match: *)"
    )
    seaweed.empty(s3_bucket)


def test_a_key_that_may_not_set_rules_gets_a_warning(seaweed: Seaweed, s3_bucket: str) -> None:
    with HttpProxy(seaweed.host_port) as proxy:
        proxy.before = lambda asked: s3_error(403, "AccessDenied") if "lifecycle" in asked.path else None
        place = {"bucket": s3_bucket, "endpoint": proxy.url, "credentials": str(seaweed.credentials)}
        said: list[str] = []
        prepare(validate({"storage": {"backend": "s3", **place}}), said.append)
    (warning,) = said
    assert re.fullmatch(
        r"warning: Could not set how long clips are kept: access to the bucket .* was denied .* The store "
        r"may keep clips forever: run `clipping-agent provision` with a key that may set lifecycle rules",
        warning,
    )
    seaweed.empty(s3_bucket)


def test_a_data_folder_of_another_store(tmp_path: Path, seaweed: Seaweed) -> None:
    (tmp_path / "data" / "run").mkdir(parents=True)
    (tmp_path / "data" / "run" / "api.yaml").write_text(
        "storage: {backend: s3, bucket: former, prefix: a/}\n"
    )
    assert refused(tmp_path) == (
        78,
        "configuration: --store: the clips of this data folder are in s3://former/a/, not in its own store: "
        "start with the former options and variables, or with another --data",
    )


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    shutil.copy(make(Recording(seconds=60)), folder / "night.mp4")
    return folder


@pytest.fixture
def stack(tmp_path: Path, nas: Path, seaweed: Seaweed) -> Iterator[RunningStack]:
    options = ["--store", "s3", "--endpoint", seaweed.url, "--bucket", f"up-{os.getpid()}"]
    options += ["--credentials", str(seaweed.credentials)]
    with RunningStack(tmp_path / "data", nas, agents=2, options=options) as stack:
        yield stack


@pytest.mark.slow
def test_clips_a_takeover_and_a_restart(
    stack: RunningStack, nas: Path, seaweed: Seaweed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"up-{os.getpid()}"
    assert stack.where["store"] == f"s3://{bucket}/"
    assert f"store: create the bucket {bucket}" in stack.logs()
    rules = seaweed.admin.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules if "Expiration" in rule}
    assert days["clips/"] == 30
    path = str(nas / "night.mp4")
    done = stack.ask(nas_video_path=path, start_seconds=5, end_seconds=8)
    assert_downloads(stack, done, bucket, seaweed)

    held = stack.ask(nas_video_path=path, start_seconds=0, end_seconds=55, mode="encode")
    stack.hold_cut(held)
    pid = stack.pid("agent-1")
    (stack.data / "run" / "agent-1.yaml").write_text("gone: true")  # else it is back before the standby leads
    os.kill(pid, signal.SIGKILL)
    assert_downloads(stack, held, bucket, seaweed)
    assert stack.status(held)["agent_id"] == "agent-2"
    assert stack.stop() == 0
    assert not list((stack.data / "store").iterdir())

    # As in a container: the same settings as variables.
    stack.options = ()
    monkeypatch.setenv("CLIPPING_STORAGE__BACKEND", "s3")
    monkeypatch.setenv("CLIPPING_STORAGE__ENDPOINT", seaweed.url)
    monkeypatch.setenv("CLIPPING_STORAGE__BUCKET", bucket)
    monkeypatch.setenv("CLIPPING_STORAGE__CREDENTIALS", str(seaweed.credentials))
    stack.start()
    assert_downloads(stack, done, bucket, seaweed)
    assert_downloads(stack, stack.ask(nas_video_path=path, start_seconds=9, end_seconds=12), bucket, seaweed)
    assert stack.stop() == 0


def assert_downloads(stack: RunningStack, request_id: str, bucket: str, seaweed: Seaweed) -> None:
    """Wait for a clip, and download it from the store by its link."""
    status = stack.wait(request_id, timeout=120)
    assert status["status"] == "completed", status
    assert status["output_uri"].startswith(f"s3://{bucket}/clips/")
    assert status["download_url"].startswith(f"{seaweed.url}/{bucket}/clips/")
    answer = requests.get(status["download_url"], timeout=30)
    assert len(answer.content) == status["file_size_bytes"], answer.status_code
