from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from clipping.errors import StoreUnavailable
from clipping.store.filesystem import locked, make_folders, network_type

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
def test_the_mount_that_a_path_is_on_decides(path: str, expected: str | None) -> None:
    assert network_type(Path(path), MOUNTS) == expected


def test_this_machines_mounts_can_be_read(tmp_path: Path) -> None:
    network_type(tmp_path, Path("/proc/self/mountinfo").read_text())


def test_folders_are_made_where_they_are_missing(tmp_path: Path) -> None:
    make_folders(tmp_path / "a" / "b" / "c", tmp_path)
    make_folders(tmp_path / "a" / "b" / "d", tmp_path)
    make_folders(tmp_path / "a" / "b" / "d", tmp_path)
    assert sorted(path.name for path in (tmp_path / "a" / "b").iterdir()) == ["c", "d"]


def test_a_lock_excludes_threads(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with locked(tmp_path / "lock", 60):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 1


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from clipping.store.filesystem import locked\n"
        f"with locked(Path({str(tmp_path / 'lock')!r}), 10):\n"
        "    print('held', flush=True); time.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(StoreUnavailable, match=r"has been locked for 0\.2 seconds"),
            locked(tmp_path / "lock", 0.2),
        ):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    with locked(tmp_path / "lock", 10):
        pass
