from __future__ import annotations

import io
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from clipping.config import Config, validate
from clipping.errors import ConfigurationError, NoSpace
from clipping.store.gcs import GcsStore
from clipping.store.local import MOUNTS, LocalStore
from clipping.store.open import check_file_system, open_coordination_store, open_store
from clipping.store.s3 import S3Store


def _config(**storage: Any) -> Config:
    return validate({"storage": storage, "api": {"public_url": "https://clips.example"}})


def test_a_folder_is_opened(tmp_path: Path) -> None:
    store = open_store(_config(backend="local", path=str(tmp_path / "clips"), prefix="team/"))
    assert isinstance(store, LocalStore)
    assert store.path_name("a.mp4") == "team/a.mp4"
    assert store.sign("a.mp4", filename="a.mp4", seconds=1).url.startswith(
        "https://clips.example/v1/files/a.mp4?"
    )


def test_uploads_to_a_folder_leave_room_for_clips(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    for least, refused in ((0, False), (free * 3 // 5, True)):
        config = validate(
            {
                "storage": {"backend": "local", "path": str(tmp_path)},
                "api": {"public_url": "https://clips.example"},
                "agent": {"min_free_bytes": least},
            }
        )
        store = open_store(config)
        assert isinstance(store, LocalStore)
        with pytest.raises(NoSpace) if refused else nullcontext():
            store.receive(f"uploads/{least}", io.BytesIO(b"x").read, size=1, content_type="video/mp4")


def test_a_bucket_is_opened_without_asking_it(tmp_path: Path) -> None:
    store = open_store(_config(backend="gcs", bucket="clips", prefix="team/"))
    assert isinstance(store, GcsStore)
    assert store.uri("a.mp4") == "gs://clips/team/a.mp4"


def test_an_s3_bucket_is_opened_without_asking_it() -> None:
    store = open_store(_config(backend="s3", bucket="clips", endpoint="http://nas.lan:8333", prefix="team/"))
    assert isinstance(store, S3Store)
    assert store.uri("a.mp4") == "s3://clips/team/a.mp4"
    assert store.path_name("a.mp4") == "team/a.mp4"


def test_coordination_may_have_its_own_bucket() -> None:
    config = _config(backend="gcs", bucket="clips", coordination_bucket="leases")
    assert open_coordination_store(config).uri("ha/x") == "gs://leases/ha/x"
    assert open_store(config).uri("ha/x") == "gs://clips/ha/x"
    assert open_coordination_store(_config(backend="gcs", bucket="clips")).uri("ha/x") == "gs://clips/ha/x"


def _mounted_from_a_nas(tmp_path: Path) -> Path:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"2 1 0:50 / {tmp_path}/clips rw,relatime shared:1 - nfs4 nas:/clips rw,vers=4.2\n"
    )
    return mounts


def test_a_network_file_system_is_refused_where_agents_elect_a_leader(tmp_path: Path) -> None:
    config = _config(backend="local", path=str(tmp_path / "clips"))
    with pytest.raises(ConfigurationError, match=r"storage\.path: .*network file system \(nfs4\)"):
        open_coordination_store(config, mounts=_mounted_from_a_nas(tmp_path))
    assert isinstance(open_coordination_store(config), LocalStore)


def test_a_network_file_system_is_allowed_without_an_election(tmp_path: Path) -> None:
    storage = {"backend": "local", "path": str(tmp_path / "clips")}
    config = validate({"storage": storage, "ha": {"mode": "pool"}})
    assert isinstance(open_coordination_store(config, mounts=_mounted_from_a_nas(tmp_path)), LocalStore)


@pytest.mark.parametrize(
    ("mode", "remote", "named"),
    [
        ("pool", False, []),
        ("pool", True, ["checkpoints.remote"]),
        ("single", True, ["checkpoints.remote"]),
        ("primary-standby", False, ["storage.path"]),
        ("primary-standby", True, ["storage.path", "checkpoints.remote"]),
    ],
)
def test_what_a_network_file_system_can_not_keep_is_refused_by_its_key(
    tmp_path: Path, mode: str, remote: bool, named: list[str]
) -> None:
    storage = {"backend": "local", "path": str(tmp_path / "clips")}
    config = validate({"storage": storage, "ha": {"mode": mode}, "checkpoints": {"remote": remote}})
    assert problems_of(config, _mounted_from_a_nas(tmp_path)) == named
    assert problems_of(config, MOUNTS) == []
    assert not (tmp_path / "clips").exists(), "it is not created"


def test_a_link_to_a_network_file_system_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "clips")
    storage = {"backend": "local", "path": str(tmp_path / "link" / "store")}
    config = validate({"storage": storage, "ha": {"mode": "pool"}, "checkpoints": {"remote": True}})
    assert problems_of(config, _mounted_from_a_nas(tmp_path)) == ["checkpoints.remote"]


def test_a_bucket_keeps_everything(tmp_path: Path) -> None:
    config = validate({"storage": {"backend": "gcs", "bucket": "clips"}, "checkpoints": {"remote": True}})
    assert problems_of(config, _mounted_from_a_nas(tmp_path)) == []


def problems_of(config: Config, mounts: Path) -> list[str]:
    """The keys that are refused."""
    try:
        check_file_system(config, mounts=mounts)
    except ConfigurationError as error:
        return [problem.partition(":")[0] for problem in error.problems]
    return []


def test_the_local_backend_needs_a_folder() -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.path: is required"):
        open_store(_config(backend="local"))


@pytest.mark.parametrize("prefix", ["../", "a/../", "./", "a/.b/"])
def test_a_prefix_can_not_lead_out_of_the_store(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.prefix"):
        open_store(_config(backend="local", path=str(tmp_path), prefix=prefix))


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"storage\.backend"):
        _config(backend="azure", bucket="clips")
