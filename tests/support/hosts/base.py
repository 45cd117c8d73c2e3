"""The root file system of hosts: a minimal Debian 12. `python -m tests.support.hosts.base` creates it
once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "CLIPPING_TEST_BASE"
"""The environment variable with an existing tree: a Debian with systemd, dbus, python3-venv, iproute2 and
procps."""

SUITE = "bookworm"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-venv",
    "ca-certificates",
    "iproute2",
    "procps",
)
BUILD_SECONDS = 1800


def tree() -> Path | None:
    """The tree, if it exists."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _cache() / f"debian-{SUITE}"
    return path if (path / "usr" / "lib" / "systemd" / "systemd").exists() else None


def build() -> Path:
    """Create it with debootstrap, from this machine's Debian mirror, or else from the default mirror.
    Requires root and the network."""
    target = _cache() / f"debian-{SUITE}"
    beside = target.with_suffix(".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    subprocess.run([*command, SUITE, str(beside), *_mirror()], check=True, timeout=BUILD_SECONDS)
    # Each host gets its own machine id, and no login prompts on its consoles.
    (beside / "etc" / "machine-id").write_text("")
    (beside / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    (beside / "etc/systemd/system/console-getty.service").symlink_to("/dev/null")
    (beside / "var/log/journal").mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    return beside.rename(target)


def _mirror() -> list[str]:
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        said = subprocess.run(
            [*command, f"Codename: {SUITE}"], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    except FileNotFoundError:
        return []
    return said.splitlines()[:1]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "clipping-tests"


if __name__ == "__main__":
    print(tree() or build())
    sys.exit(0)
