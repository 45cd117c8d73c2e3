from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipping.errors import NoSpace, ObjectExists, StoreUnavailable, VersionMismatch
from clipping.store.local import LocalStore
from tests.clipping.store.former import write_former_clip, write_former_small

KEY = "clips/h/r.mp4"


def _store(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", public_url="http://127.0.0.1:8000")


def _create(store: LocalStore, folder: Path, data: bytes = b"clip", key: str = KEY) -> None:
    source = folder / "source"
    source.write_bytes(data)
    store.create(key, source, content_type="video/mp4", metadata={"a": "b"})


def test_the_source_is_linked_and_not_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"clip")
    inode = source.stat().st_ino
    store = _store(tmp_path)
    store.create(KEY, source, content_type="video/mp4", metadata={})
    found = store.open_object(KEY)
    assert found is not None
    path, info = found
    assert path.stat().st_ino == inode
    assert path.read_bytes() == b"clip"
    assert not source.exists()
    assert store.uri(KEY) == path.as_uri()
    assert info.size == 4


def test_a_source_on_another_file_system_is_copied(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system to copy from")
    source = shared / f"clipping-test-{os.getpid()}"
    source.write_bytes(b"x" * 3_000_000)
    try:
        store = _store(tmp_path)
        store.create(KEY, source, content_type="video/mp4", metadata={})
    finally:
        source.unlink(missing_ok=True)
    found = store.open_object(KEY)
    assert found is not None
    assert found[0].read_bytes() == b"x" * 3_000_000
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_a_source_behind_another_mount_of_the_same_file_system_is_copied(tmp_path: Path) -> None:
    """As under systemd: ReadWritePaths are bind mounts, and a rename between them is refused."""
    for name in ("spool", "spool-mount", "disk", "store"):
        (tmp_path / name).mkdir()
    (tmp_path / "spool" / "source").write_bytes(b"clip")
    program = (
        "import sys; from pathlib import Path; from clipping.store.local import LocalStore\n"
        "folder = Path(sys.argv[1])\n"
        "store = LocalStore(folder / 'store', public_url='http://x')\n"
        f"store.create({KEY!r}, folder / 'spool-mount' / 'source', content_type='video/mp4', metadata={{}})"
    )
    mount = 'mount --bind "$1/spool" "$1/spool-mount" && mount --bind "$1/disk" "$1/store" && '
    run = mount + '"$2" -c "$3" "$1"'
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*own_mounts, "true"], timeout=60).returncode:
        pytest.skip("this user may not make mounts of its own")
    command = [*own_mounts, "sh", "-c", run, "sh", str(tmp_path), sys.executable, program]
    assert subprocess.run(command, timeout=60).returncode == 0
    store = LocalStore(tmp_path / "disk", public_url="http://x")
    assert store.get(KEY) is not None


def test_only_files_are_served(tmp_path: Path) -> None:
    store = _store(tmp_path)
    assert store.open_object(KEY) is None
    store.replace("ha/lease.json", b"{}", expected=None)
    assert store.open_object("ha/lease.json") is None


def test_a_store_opened_again_has_everything(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    written = store.replace("ha/lease.json", b"{}", expected=None)
    again = _store(tmp_path)
    assert again.stat(KEY) == store.stat(KEY)
    assert again.get("ha/lease.json") == (b"{}", written)


@pytest.mark.parametrize("left", ["record only", "data only", "shorter data", "longer data"])
def test_files_left_by_a_crash_are_no_object_and_block_nothing(tmp_path: Path, left: str) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    data = tmp_path / "store" / "objects" / KEY
    record = data.with_name("r.mp4@") / "1"
    if left == "record only":
        data.unlink()
    elif left == "data only":
        record.unlink()
    else:
        data.write_bytes(b"cl" if left == "shorter data" else b"clip and more")
    assert store.stat(KEY) is None
    assert store.get(KEY) is None
    assert store.open_object(KEY) is None
    assert store.list("").objects == ()
    assert store.delete(KEY) is False
    _create(store, tmp_path, b"again")
    found = store.get(KEY)
    assert found is not None
    assert found[0] == b"again"


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    record = tmp_path / "store" / "objects" / "clips" / "h" / "r.mp4@" / "1"
    for damage in (b"", b"{", b"[]", b'{"version": 1}'):
        record.write_bytes(damage)
        with pytest.raises(StoreUnavailable, match=r"r\.mp4@/1 is damaged"):
            store.stat(KEY)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    outside = tmp_path / "outside"
    (outside / "h").mkdir(parents=True)
    (outside / "h" / "secret.mp4").write_bytes(b"secret")
    (outside / "h" / "secret.mp4@").mkdir()
    (outside / "h" / "secret.mp4@" / "1").write_text("{}")
    (tmp_path / "store" / "objects" / "clips").symlink_to(outside)
    for call in (store.stat, store.get, store.open_object, store.delete):
        with pytest.raises(StoreUnavailable, match="symbolic link"):
            call("clips/h/secret.mp4")
    with pytest.raises(StoreUnavailable, match="symbolic link"):
        _create(store, tmp_path, key="clips/h/new.mp4")
    assert store.list("").objects == ()
    assert {path.name for path in (outside / "h").iterdir()} == {"secret.mp4", "secret.mp4@"}


def test_a_data_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    data = tmp_path / "store" / "objects" / KEY
    (tmp_path / "secret").write_bytes(b"clip")
    data.unlink()
    data.symlink_to(tmp_path / "secret")
    with pytest.raises(StoreUnavailable, match="symbolic link"):
        store.open_object(KEY)


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store = _store(tmp_path)
    _create(store, tmp_path)
    assert store.stat(KEY) is not None
    assert (tmp_path / "disk" / "objects" / KEY).exists()


def test_a_key_can_not_be_another_ones_folder(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path, key="clips/h/r")
    with pytest.raises(StoreUnavailable, match="clips/h/r/x"):
        _create(store, tmp_path, key="clips/h/r/x")
    with pytest.raises(StoreUnavailable, match="it is a folder"):
        _create(store, tmp_path, key="clips/h")
    assert store.stat("clips/h") is None
    assert store.stat("clips/h/r") is not None


def test_a_folder_that_can_not_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(StoreUnavailable, match=f"{tmp_path}/store"):
        _store(tmp_path)


def test_a_network_file_system_is_refused_for_coordination_only(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"2 1 0:50 / {tmp_path}/store rw,relatime shared:1 - nfs4 nas:/clips rw,vers=4.2\n"
    )
    store = LocalStore(tmp_path / "store", public_url="http://x", mounts=mounts)
    _create(store, tmp_path)
    with pytest.raises(ObjectExists):
        _create(store, tmp_path)
    assert store.stat(KEY) is not None
    for call in (
        lambda: store.replace("ha/lease.json", b"{}", expected=None),
        lambda: store.delete(KEY, expected="1"),
    ):
        with pytest.raises(StoreUnavailable, match=r"network file system \(nfs4\).*local disk"):
            call()


def test_a_file_system_without_hard_links_is_refused_when_the_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none on a test machine that could be mounted."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(StoreUnavailable, match=r"storage\.path: .* without hard links: use ext4"):
        _store(tmp_path)
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


def test_objects_of_the_previous_version_are_read_replaced_and_deleted(tmp_path: Path) -> None:
    store = _store(tmp_path)
    clip = write_former_clip(tmp_path / "store", KEY, b"former")
    lease = write_former_small(tmp_path / "store", "ha/main/lease.json", b"{}")
    info = store.stat(KEY)
    assert info is not None
    assert (info.version, info.size, info.metadata) == (clip, 6, {"request_id": "r"})
    assert store.get(KEY) == (b"former", info)
    assert store.open_object(KEY) == (tmp_path / "store" / "objects" / KEY, info)
    found = store.get("ha/main/lease.json")
    assert found is not None
    assert (found[0], found[1].version) == (b"{}", lease)
    assert [one.version for one in store.list("").objects] == [clip, lease]
    with pytest.raises(ObjectExists):
        _create(store, tmp_path)
    with pytest.raises(VersionMismatch):
        store.replace("ha/main/lease.json", b"no", expected="another")
    assert store.get("ha/main/lease.json") == found

    written = store.replace("ha/main/lease.json", b"next", expected=lease)
    assert store.get("ha/main/lease.json") == (b"next", written)
    assert store.delete(KEY, expected=clip)
    assert store.list("").objects == (written,)
    _create(store, tmp_path, b"new")
    found = store.get(KEY)
    assert found is not None
    assert found[0] == b"new"
    assert list((tmp_path / "store" / "objects").rglob("*@.json")) == []


@pytest.mark.parametrize("left", ["record only", "data only", "shorter data"])
def test_files_left_by_a_crash_of_the_previous_version_are_no_object(tmp_path: Path, left: str) -> None:
    store = _store(tmp_path)
    write_former_clip(tmp_path / "store", KEY, b"former")
    data = tmp_path / "store" / "objects" / KEY
    if left == "record only":
        data.unlink()
    elif left == "data only":
        data.with_name("r.mp4@.json").unlink()
    else:
        data.write_bytes(b"form")
    assert store.stat(KEY) is None
    assert store.list("").objects == ()
    _create(store, tmp_path, b"again")
    found = store.get(KEY)
    assert found is not None
    assert found[0] == b"again"


def test_a_clip_whose_file_the_owner_removed_is_gone_and_can_be_created_again(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    (tmp_path / "store" / "objects" / KEY).unlink()
    assert store.stat(KEY) is None
    _create(store, tmp_path, b"again")
    found = store.open_object(KEY)
    assert found is not None
    assert found[0].read_bytes() == b"again"


def test_objects_below_the_name_of_a_deleted_one_stay(tmp_path: Path) -> None:
    """The folder `a` holds `a/b`, and is where the data of a clip `a` would be."""
    store = _store(tmp_path)
    store.replace("a", b"1", expected=None)
    below = store.replace("a/b", b"2", expected=None)
    assert store.delete("a")
    assert store.get("a/b") == (b"2", below)
    assert store.list("").objects == (below,)


@pytest.fixture(scope="module")
def folders_read() -> Iterator[list[str]]:
    """The folders that were listed since the list was last cleared."""
    paths: list[str] = []
    active = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if active and event == "os.scandir":
            paths.append(str(arguments[0]))

    sys.addaudithook(hook)  # it can't be removed
    yield paths
    active = False


def test_a_clip_is_found_without_reading_the_folders_of_others(
    tmp_path: Path, folders_read: list[str]
) -> None:
    store = _store(tmp_path)
    for number in range(3):
        _create(store, tmp_path, key=f"clips/hand-{number}/r.mp4")
    folders_read.clear()
    assert [one.key for one in store.list("clips/hand-1/r.").objects] == ["clips/hand-1/r.mp4"]
    assert [Path(path).name for path in folders_read] == ["hand-1"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("", ["clips/a.b/r.mp4", "clips/a/r.mp4", "clips/a/s.mp4", "other/x.json"]),
        ("cl", ["clips/a.b/r.mp4", "clips/a/r.mp4", "clips/a/s.mp4"]),
        ("clips/a", ["clips/a.b/r.mp4", "clips/a/r.mp4", "clips/a/s.mp4"]),
        ("clips/a/", ["clips/a/r.mp4", "clips/a/s.mp4"]),
        ("clips/a/s", ["clips/a/s.mp4"]),
        ("clips/a/s.mp4", ["clips/a/s.mp4"]),
        ("clips/a/s.mp4/", []),
        ("clips/a/s.mp4@/", []),
        ("clips/none/", []),
        ("clips/a/../a.b/", []),
        ("../", []),
        ("/", []),
    ],
)
def test_a_prefix_is_compared_with_keys(tmp_path: Path, prefix: str, found: list[str]) -> None:
    store = _store(tmp_path)
    for key in ("clips/a/r.mp4", "clips/a/s.mp4", "clips/a.b/r.mp4", "other/x.json"):
        _create(store, tmp_path, key=key)
    assert [one.key for one in store.list(prefix).objects] == found


def test_clips_behind_a_symbolic_link_are_not_listed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    _create(store, tmp_path)
    (tmp_path / "store" / "objects" / "clips" / "link").symlink_to("h")
    assert store.list("clips/link/").objects == ()


@pytest.mark.parametrize("others_write", [False, True])
def test_uploads_leave_room_for_leases(tmp_path: Path, others_write: bool) -> None:
    free = shutil.disk_usage(tmp_path).free
    reserve = free - (256 << 20) if others_write else free * 2
    store = LocalStore(tmp_path / "store", public_url="http://127.0.0.1:8000", min_free_bytes=reserve)

    def read(_: int) -> bytes:
        assert others_write, "nothing is read where it does not fit"
        with (tmp_path / "others").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, 512 << 20)
        return b"x"

    with pytest.raises(NoSpace, match="no room for this upload"):
        store.receive("uploads/h/r.mp4", read, size=1 << 10, content_type="video/mp4")
    assert store.stat("uploads/h/r.mp4") is None
    assert list((tmp_path / "store" / "tmp").iterdir()) == []
