from __future__ import annotations

from pathlib import Path

import pytest

from clipping.store.filesystem import make_folders, network_type

MOUNTS = r"""
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
30 22 0:25 / /proc rw - proc proc rw
40 22 0:40 / /mnt/nas rw,relatime shared:20 - nfs4 10.0.0.5:/volume1 rw,vers=4.1
41 22 0:41 / /mnt/with\040space rw - cifs //nas/share rw
42 22 0:42 / /mnt/bucket rw - fuse.gcsfuse bucket rw
43 40 259:3 / /mnt/nas/local rw - xfs /dev/sdb1 rw
44 22 0:44 / /mnt/over rw - ext4 /dev/sdc1 rw
45 22 0:45 / /mnt/over rw - nfs 10.0.0.5:/over rw
46 22 0:46 / /mnt/rootless rw - fuse.fuse-overlayfs fuse-overlayfs rw
47 22 0:47 / /mnt/tmp rw - tmpfs tmpfs rw
48 22 0:48 / /mnt/plan rw - 9p host rw
""".strip()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/clips", None),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/clips/deep", "nfs4"),
        ("/mnt/nas2", None),
        ("/mnt/nas/local/clips", None),
        ("/mnt/with space/x", "cifs"),
        ("/mnt/bucket", "fuse.gcsfuse"),
        ("/mnt/over/x", "nfs"),
        ("/mnt/rootless/x", None),
        ("/mnt/tmp", None),
        ("/mnt/plan", "9p"),
    ],
)
def test_the_mount_of_a_path_decides(path: str, expected: str | None) -> None:
    assert network_type(Path(path), MOUNTS) == expected


def test_this_machines_mounts_can_be_read(tmp_path: Path) -> None:
    network_type(tmp_path, Path("/proc/self/mountinfo").read_text())


def test_folders_are_made_where_they_are_missing(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b" / "c", tmp_path)
    make_folders(tmp_path / "a" / "b" / "d", tmp_path)
    make_folders(tmp_path / "a" / "b" / "d", tmp_path)
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["c", "d"]
