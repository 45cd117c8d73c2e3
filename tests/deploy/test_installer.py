"""The installer on Debian: idempotent installs, upgrades, rollbacks and uninstalls."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.deploy.conftest import INSTALL, INSTALL_SECONDS, Cloud
from tests.deploy.nas import UNIT, Nas

CURRENT = "/opt/clipping-agent/current"
CONFIG = "/etc/clipping-agent/config.yaml"


@pytest.fixture
def nas(cloud: Cloud) -> Nas:
    """An agent that is installed and configured, but not started."""
    return cloud.make("nas-1", ha={"mode": "single"})


def install(nas: Nas, *arguments: str) -> subprocess.CompletedProcess[str]:
    return nas.host.call(INSTALL, *arguments, timeout=INSTALL_SECONDS)


def test_a_second_installation_changes_nothing(nas: Nas) -> None:
    before = nas.host.run("readlink", CURRENT)
    config = nas.host.run("cat", CONFIG)
    again = install(nas, "--wheels", "/srv/wheels")
    assert again.returncode == 0, again.stdout
    assert "is already installed; nothing to do" in again.stdout
    assert "writing" not in again.stdout
    assert nas.host.run("readlink", CURRENT) == before
    assert nas.host.run("cat", CONFIG) == config
    assert nas.show("ActiveState") == "inactive", "an installation does not start the service"


def test_a_new_drop_in_is_added_and_an_edited_one_is_kept(nas: Nas) -> None:
    nas.start()
    assert install(nas, "--wheels", "/srv/wheels", "--with", "limits").returncode == 0
    assert nas.show("MemoryMax") == str(8 << 30)
    nas.drop_in("limits", "[Service]\nMemoryMax=3G\n")
    again = install(nas, "--wheels", "/srv/wheels", "--with", "limits")
    assert "keeping /etc/systemd/system/clipping-agent.service.d/limits.conf" in again.stdout
    assert nas.show("MemoryMax") == str(3 << 30)


def test_an_uninstall_keeps_configuration_and_state_and_a_purge_does_not(nas: Nas) -> None:
    nas.start()
    config = nas.host.run("cat", CONFIG)
    removed = install(nas, "--uninstall")
    assert removed.returncode == 0, removed.stdout
    assert nas.host.run("cat", CONFIG) == config
    for gone in ("/opt/clipping-agent", f"/etc/systemd/system/{UNIT}", "/usr/local/bin/clipping-agent"):
        assert nas.host.call("test", "-e", gone).returncode == 1, gone
    assert nas.show("LoadState") == "not-found"
    assert install(nas, "--uninstall").returncode == 0, "a second uninstall succeeds"

    purged = install(nas, "--uninstall", "--purge")
    assert purged.returncode == 0, purged.stdout
    for gone in ("/etc/clipping-agent", "/var/lib/clipping-agent", f"/etc/systemd/system/{UNIT}.d"):
        assert nas.host.call("test", "-e", gone).returncode == 1, gone
    assert nas.host.call("id", "clipping-agent").returncode != 0


def test_installed_files_have_the_right_owners_and_modes(nas: Nas) -> None:
    expected = {
        "/etc/clipping-agent": "750 root:clipping-agent",
        CONFIG: "640 root:clipping-agent",
        "/etc/clipping-agent/google.json": "600 root:root",
        "/var/lib/clipping-agent": "750 clipping-agent:clipping-agent",
        f"/etc/systemd/system/{UNIT}": "644 root:root",
        "/usr/local/bin/clipping-agent": "755 root:root",
    }
    for path, owner in expected.items():
        assert nas.host.run("stat", "--format=%a %U:%G", path).strip() == owner, path
    others = nas.host.run("find", "/opt/clipping-agent", "-not", "-type", "l", "-perm", "/022")
    assert others == "", "only root can change the program"


def test_doctor_as_root_runs_in_the_services_sandbox_and_leaves_no_files(nas: Nas) -> None:
    said = nas.host.call("clipping-agent", "doctor")
    assert said.returncode == 0, said.stdout
    foreign = nas.host.run("find", "/var/lib/clipping-agent", "-not", "-user", "clipping-agent")
    assert foreign == "", "the service can't open these"
    nas.write_config(nas.config.model_dump(mode="json") | {"agent": {"nas_roots": [{"path": "/home/video"}]}})
    nas.host.run("sh", "-c", "mkdir /home/video && touch /home/video/night.mp4")
    hidden = nas.host.call("clipping-agent", "doctor")
    assert hidden.returncode == 1
    assert "BAD  nas /home/video" in hidden.stdout, (
        "ProtectHome hides it from the service, and so from its doctor"
    )
    nas.drop_in("home", "[Service]\nProtectHome=read-only\n")
    assert "ok   nas /home/video" in nas.host.call("clipping-agent", "doctor").stdout


def test_an_upgrade_replaces_the_running_version_and_a_failed_one_is_rolled_back(
    nas: Nas, wheels: Path
) -> None:
    nas.start()
    first, pid = nas.host.run("readlink", CURRENT), nas.pid

    done = upgrade(nas, wheels, "agent/commands/doctor.py", 'raise SystemExit("unhealthy on purpose")\n')
    assert done.returncode == 1
    assert "the new version's doctor fails, the old version's passes; nothing was changed" in done.stdout
    assert "unhealthy on purpose" in done.stdout
    assert (nas.host.run("readlink", CURRENT), nas.pid) == (first, pid), (
        "the running agent is not interrupted"
    )

    done = upgrade(nas, wheels, "agent/daemon.py", 'raise SystemExit("broken on purpose")\n')
    assert done.returncode == 1
    assert "broken on purpose" in done.stdout
    assert nas.host.run("readlink", CURRENT) == first
    assert nas.show("ActiveState") == "active"
    assert nas.health()["agent_id"] == "nas-1"

    done = upgrade(nas, wheels, "embedded/__init__.py", '"""Changed."""\n')
    assert done.returncode == 0, done.stdout
    second = nas.host.run("readlink", CURRENT)
    assert second != first
    assert nas.show("ActiveState") == "active"
    versions = nas.host.run("ls", "/opt/clipping-agent/versions").split()
    assert len(versions) == 2, "the previous version is kept, failed ones are not"


def upgrade(nas: Nas, wheels: Path, file: str, text: str) -> subprocess.CompletedProcess[str]:
    """Install this checkout's wheel with one file changed."""
    (original,) = wheels.glob("clipping_service-*.whl")
    nas.host.run("mkdir", "-p", "/root/new")
    with (
        zipfile.ZipFile(original) as source,
        zipfile.ZipFile(nas.host.path(f"/root/new/{original.name}"), "w") as target,
    ):
        for item in source.infolist():
            target.writestr(item, text if item.filename == file else source.read(item))
    return install(nas, f"/root/new/{original.name}", "--wheels", "/srv/wheels")


WRONG = {
    "setpriv --reuid=65534 --clear-groups INSTALL": "only root can install a service: use sudo",
    "unshare --mount sh -c 'mount -t tmpfs tmpfs /run/systemd; INSTALL'": "was not started by systemd",
    "env PYTHON=nonsense INSTALL": "Python 3.11 or newer is required",
    "INSTALL --wheels /nowhere": "/nowhere is not a folder of wheels",
    "INSTALL --wheels /srv/systemd": "must contain exactly one clipping-service wheel; found: none",
    "INSTALL /srv/recordings": "neither a checkout nor a wheel",
    "INSTALL --credentials /nowhere": "/nowhere can't be read",
}


def test_invalid_usage_is_rejected_with_a_reason_and_changes_nothing(nas: Nas) -> None:
    before = nas.host.run("find", "/opt", "/etc")
    for command, reason in WRONG.items():
        done = nas.host.call("sh", "-c", command.replace("INSTALL", INSTALL))
        assert (done.returncode, reason in done.stdout) == (1, True), f"{command}: {done.stdout}"
    assert nas.host.run("find", "/opt", "/etc") == before
