"""Paths and names of an installation."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
"""`deploy/systemd`: the unit, its drop-ins and the other files that are copied."""

USER = "clipping-agent"
UNIT = "clipping-agent.service"

OPT = Path("/opt/clipping-agent")
VERSIONS = OPT / "versions"
CURRENT = OPT / "current"

CONFIG_DIR = Path("/etc/clipping-agent")
CONFIG = CONFIG_DIR / "config.yaml"
CREDENTIALS = CONFIG_DIR / "google.json"
STATE_DIR = Path("/var/lib/clipping-agent")

DROP_INS = Path("/etc/systemd/system") / f"{UNIT}.d"
COMMAND = Path("/usr/local/bin/clipping-agent")

FILES = {
    Path("/etc/systemd/system") / UNIT: HERE / UNIT,
    Path("/etc/sysusers.d/clipping-agent.conf"): HERE / "sysusers.d" / "clipping-agent.conf",
    Path("/etc/tmpfiles.d/clipping-agent.conf"): HERE / "tmpfiles.d" / "clipping-agent.conf",
    COMMAND: HERE / "clipping-agent",
}
"""Files outside /opt, each with its source: replaced by an upgrade, removed by `--uninstall`."""


def drop_in(name: str) -> Path:
    """The source file of a drop-in."""
    return HERE / f"{UNIT}.d" / f"{name}.conf"
