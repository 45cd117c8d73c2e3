"""The images, run by a Docker Engine as users run them: who they run as, and what they leave unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container.images import VERSION
from tests.deploy.container.registry import docker

pytestmark = pytest.mark.usefixtures("images")

AGENT = f"clipping-agent:{VERSION}"
STATE = "/var/lib/clipping-agent"
RESTRICTED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
BECOME = ("--cap-add", "SETUID", "--cap-add", "SETGID", "--cap-add", "CHOWN")
CUT = ("clipping-agent", "cut", "/recordings/night.mp4", "10.2", "12.7", "-o", f"{STATE}/clip.mp4", "--json")
IDS = ("1026:100", "568:568", "99:100", "0:0")


@pytest.fixture
def volume() -> Iterator[str]:
    name = f"clipping-test-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", name)
    yield name
    docker("volume", "rm", "--force", name)


def agent(
    volume: str, share: Path, *options: str, command: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    mounts = ["--volume", f"{volume}:{STATE}", "--volume", f"{share}:/recordings:ro"]
    roots = "CLIPPING_AGENT__NAS_ROOTS=[{path: /recordings}]"
    return docker("run", "--rm", *RESTRICTED, *mounts, "--env", roots, *options, AGENT, *command, check=False)


def as_puid(ids: str) -> tuple[str, ...]:
    uid, gid = ids.split(":")
    return (*BECOME, "--env", f"PUID={uid}", "--env", f"PGID={gid}")


def facts(share: Path) -> list[tuple[object, ...]]:
    """Owner, group, mode, ACL and modification time of everything in a share."""
    found = []
    for path in sorted([share, *share.rglob("*")]):
        facts = path.stat()
        acl = {name: os.getxattr(path, name) for name in os.listxattr(path)}
        found.append((path, facts.st_uid, facts.st_gid, facts.st_mode, facts.st_mtime_ns, acl))
    return found


@pytest.mark.parametrize("ids", IDS)
@pytest.mark.parametrize("way", ["puid", "user"])
def test_any_user_cuts_and_the_share_stays_as_it_was(way: str, ids: str, volume: str, share: Path) -> None:
    options = as_puid(ids) if way == "puid" else ("--user", ids)
    before = facts(share)
    done = agent(volume, share, *options, command=CUT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] > 50
    shown = agent(volume, share, *options, command=("stat", "-c", "%u:%g", f"{STATE}/clip.mp4"))
    assert shown.stdout.strip() == ids, shown.stderr
    assert facts(share) == before


def test_another_puid_takes_over_the_volume(volume: str, share: Path) -> None:
    assert agent(volume, share, *as_puid("1026:100"), command=CUT).returncode == 0
    show = ("stat", "-c", "%u:%g", f"{STATE}/clip.mp4")
    done = agent(volume, share, *as_puid("568:568"), command=show)
    assert done.stdout.strip() == "568:568", done.stderr


def test_puid_without_the_capabilities_names_them(volume: str, share: Path) -> None:
    done = agent(volume, share, "--env", "PUID=1026", "--env", "PGID=100", command=CUT)
    assert done.returncode == 78
    assert "cap_add: [SETUID, SETGID, CHOWN]" in done.stderr


def test_the_user_of_a_render_node_that_only_root_may_open(volume: str, share: Path, tmp_path: Path) -> None:
    node = tmp_path / "renderD128"
    try:
        os.mknod(node, 0o20600, os.makedev(226, 128))
    except OSError as error:
        pytest.skip(f"no device file can be made here: {error.strerror}")
    device = ("--device", f"{node}:/dev/dri/renderD128")
    show = ("sh", "-c", "stat -c %u:%g:%a /dev/dri/renderD128; id -u")
    done = agent(volume, share, *as_puid("1026:100"), *device, command=show)
    assert done.stdout.split() == ["0:100:660", "1026"], done.stderr
    assert node.stat().st_mode & 0o777 == 0o600


def test_doctor_names_who_can_read_a_share(volume: str, share: Path, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "night.mp4").write_bytes(b"x")
    for path in (closed, closed / "night.mp4"):
        os.chown(path, 1026, 100)
        path.chmod(0o700)
    done = agent(volume, closed, *as_puid("568:568"), command=("clipping-agent", "doctor"))
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if "nas /recordings" in line]
    assert line.startswith("BAD")
    assert "PUID=1026" in line
    readable = agent(volume, closed, *as_puid("1026:100"), command=("clipping-agent", "doctor"))
    (line,) = [line for line in readable.stdout.splitlines() if "nas /recordings" in line]
    assert line.startswith("ok")


def test_a_state_folder_that_the_user_can_not_write_is_named(share: Path, tmp_path: Path) -> None:
    done = agent(str(tmp_path), share, "--user", "1026:100", command=CUT)
    assert done.returncode == 78
    assert f"{STATE} can't be written by user 1026:100" in done.stderr


def test_a_command_that_an_image_lacks_is_named(volume: str, share: Path) -> None:
    done = agent(volume, share, command=("clipping", "up"))
    assert done.returncode == 127
    assert "exec clipping failed: No such file or directory" in done.stderr
