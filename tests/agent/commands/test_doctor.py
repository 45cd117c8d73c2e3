"""The doctor's findings about download links."""

from __future__ import annotations

import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from agent.checks.api import check_api
from agent.checks.findings import Finding
from agent.commands.doctor import (
    _clock,
    _finding,
    _owner,
    _page,
    _pubsub,
    _signing,
    _sources,
    _state_dir,
    _store,
)
from agent.resources.signing import try_once
from api.app import create_app
from clipping.clock import SystemClock
from clipping.config import Config, validate
from clipping.contract.cluster import doctor_key
from clipping.errors import ConfigurationError, SigningUnavailable, StoreUnavailable
from clipping.store.local import LocalStore
from tests.support.seaweed import Seaweed
from tests.support.served import served
from tests.support.users import as_user, give


def test_folders_of_another_user_are_explained() -> None:
    with tempfile.TemporaryDirectory(prefix="clipping-shared-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "theirs").mkdir()
        give(folder / "theirs", 1026, 100, 0o750)
        tree = {"agent": {"state_dir": f"{name}/theirs"}, "storage": {"path": f"{name}/theirs"}}
        config = validate(tree)

        def findings() -> list[Finding]:
            stop = threading.Event()
            return [
                _finding("state_dir", lambda: _state_dir(config), stop),
                _finding("store", lambda: _store(config), stop),
            ]

        keys = ("agent.state_dir", "storage.path")
        for finding, key in zip(as_user(1000, [1000], findings), keys, strict=True):
            assert not finding.ok
            assert finding.detail.startswith(
                f"{key}: {name}/theirs can't be written to: it belongs to 1026:100 with mode 0750, "
                "and this is uid 1000, gid 1000, groups 1000; "
            )


def test_a_google_key_that_can_not_be_read_ends_no_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))  # a folder: root reads any file
    tree = {
        "agent": {"state_dir": str(tmp_path)},
        "pubsub": {"project": "my-project"},
        "storage": {"backend": "gcs", "bucket": "my-clips"},
    }
    config = validate(tree)
    for name, look in (("pubsub", _pubsub), ("store", _store), ("signing", _signing), ("clock", _clock)):
        finding = _finding(name, partial(look, config), threading.Event())
        assert not finding.ok
        assert str(tmp_path) in finding.detail


def configuration(folder: Path) -> Config:
    return validate(
        {
            "storage": {"path": str(folder / "store")},
            "api": {"database_url": f"sqlite:///{folder}/clips.db"},
        }
    )


def try_links(store: Path, public_url: str) -> str:
    opened = LocalStore(store, public_url=public_url)
    return try_once(opened, doctor_key("main", "nas-1"), SystemClock(), scratch=store.parent)


def test_links_are_fetched_from_the_api_where_that_runs(tmp_path: Path) -> None:
    with served(create_app(configuration(tmp_path))) as url:
        assert try_links(tmp_path / "store", url) == f"signed a link and fetched it from {url}"
    found = try_links(tmp_path / "store", url)  # no failure of signing: the API may be down, or not yet up
    assert found.startswith(f"signed and verified a link; {url} (api.public_url) does not respond")
    assert not list((tmp_path / "store" / "objects").rglob("doctor/*")), "nothing is left behind"


def test_no_other_folder_than_its_own_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "read-only"))  # as under ProtectSystem=strict
    assert try_links(tmp_path / "store", "http://127.0.0.1:9").startswith("signed and verified a link")
    store = LocalStore(tmp_path / "store", public_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailable, match="nowhere can't be used: No such file"):
        try_once(store, doctor_key("main", "nas-1"), SystemClock(), scratch=tmp_path / "nowhere")


def test_an_api_of_another_store_is_found_out(tmp_path: Path) -> None:
    with served(create_app(configuration(tmp_path))) as url:
        with pytest.raises(SigningUnavailable, match=r"refused with 403: .*storage\.path"):
            try_links(tmp_path / "other", url)
        (tmp_path / "other" / "signing.key").write_bytes((tmp_path / "store" / "signing.key").read_bytes())
        with pytest.raises(SigningUnavailable, match=r"answered with 410: .*storage\.path"):
            try_links(tmp_path / "other", url)


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("00ff")
    with pytest.raises(SigningUnavailable, match=r"signing\.key is damaged"):
        try_links(tmp_path, "http://127.0.0.1:9")


def test_each_caller_with_a_place_of_its_own_is_tried(seaweed: Seaweed, tmp_path: Path) -> None:
    seaweed.empty(seaweed.customers())
    for name, key in (("ada", "ada"), ("bob", "bob"), ("wrong", "bob")):
        (tmp_path / name).write_text(seaweed.key_of(key))
    owners = {
        "ada": {"prefix": "ada/", "credentials": f"{tmp_path}/ada"},
        "bob": {"prefix": "bob/", "credentials": f"{tmp_path}/none"},
        "cat": {"prefix": "cat/", "credentials": f"{tmp_path}/wrong"},
        "dan": {"prefix": "dan/"},
    }
    storage = {"backend": "s3", "bucket": seaweed.customers(), "endpoint": seaweed.url, "path": None}
    storage["credentials"] = str(seaweed.credentials)
    config = validate({"agent": {"state_dir": str(tmp_path)}, "storage": storage, "owners": owners})
    found = {
        name: _finding(f"owner {name}", partial(_owner, config, name), threading.Event()) for name in owners
    }
    assert {name: finding.ok for name, finding in found.items()} == {
        "ada": True,
        "bob": False,
        "cat": False,
        "dan": True,
    }
    assert found["ada"].detail == (
        "s3://customers/ada/: wrote, listed and removed an object; signed a link and fetched it"
    )
    assert found["bob"].detail == (
        f"owners.bob.credentials: {tmp_path}/none does not exist: mount the key there, or correct "
        "owners.bob.credentials"
    )
    assert found["cat"].detail.startswith("s3://customers/cat/: Could not create clips/checks/doctor-")
    assert found["cat"].detail.endswith("; let owners.cat.credentials list, read, write and delete below it")
    left = seaweed.admin.list_objects_v2(Bucket=seaweed.customers())
    assert "Contents" not in left


def test_each_bucket_of_recordings_has_a_line() -> None:
    source = {"endpoint": "http://127.0.0.1:1", "credentials": "/no/such/file"}
    config = validate({"sources": [{"prefix": f"s3://{name}/", **source} for name in ("night", "day")]})
    findings = [_finding(name, look, threading.Event()) for name, look in _sources(config)]
    assert [finding.name for finding in findings] == ["source s3://night/", "source s3://day/"]
    assert all("/no/such/file can't be read" in finding.detail for finding in findings)
    assert not any(finding.ok for finding in findings)


def test_the_console_is_checked_with_the_origin_that_browsers_use(tmp_path: Path) -> None:
    page, other = "http://nas-1.lan:8005", "http://nas-2.lan:8005"
    keys = [{"name": "web", "role": "client", "sha256": "0" * 64}]
    own = {"database_url": f"sqlite:///{tmp_path}/api.db", "cors_origins": [page], "keys": keys}
    app = create_app(validate({"api": own, "storage": {"path": str(tmp_path / "store")}}))
    with served(app) as url:
        tree: dict[str, dict[str, Any]] = {"agent": {"id": "nas-1"}, "preview": {"key": "/k", "api_url": url}}
        assert _page(validate({**tree, "health": {"advertise_url": "http://NAS-1.lan:8005"}})) == page
        tree["preview"]["agents"] = {"nas-1": page, "nas-2": other}
        assert _page(validate(tree)) == page
        assert check_api(url, page) == f"{url} answers, and pages of {page} may call it"
        with pytest.raises(
            ConfigurationError, match=rf"refuses pages of {other}.*add that to api\.cors_origins"
        ):
            check_api(url, other)
    with pytest.raises(ConfigurationError, match=f"preview.api_url: {url} does not answer"):
        check_api(url, page)

    with served(Flask("another")) as url, pytest.raises(ConfigurationError, match=r"is not the API \(404\)"):
        check_api(url, page)
