"""The tree that hosts boot from: a minimal Debian 12. `python -m tests.support.hosts.base` makes it, once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VARIABLE = "CLIPPING_TEST_BASE"
"""Names a tree that is there already: any Debian with systemd, dbus, python3-venv, iproute2 and procps."""

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
    """The tree, if it was made."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else _cache() / f"debian-{SUITE}"
    return path if (path / "usr" / "lib" / "systemd" / "systemd").exists() else None


def build() -> Path:
    """Make it with debootstrap, from the mirror that this machine's apt uses for Debian, or else from its own
    default one. Needs root and the network."""
    target = _cache() / f"debian-{SUITE}"
    beside = target.with_suffix(".new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    subprocess.run([*command, SUITE, str(beside), *_mirror()], check=True, timeout=BUILD_SECONDS)
    # Each host gets its own; and no console of it waits for a login.
    (beside / "etc" / "machine-id").write_text("")
    (beside / "var/lib/dbus/machine-id").unlink(missing_ok=True)
    (beside / "etc/systemd/system/console-getty.service").symlink_to("/dev/null")
    (beside / "var/log/journal").mkdir(exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    return beside.rename(target)


def _mirror() -> list[str]:
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    try:
        said = subprocess.run(
            [*asked, f"Codename: {SUITE}"], capture_output=True, text=True, timeout=60, check=False
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
