"""Whether the render nodes can be used, on real device files."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from agent.checks.access import Entry, Runner
from agent.checks.findings import Finding
from agent.checks.gpu_access import fix_of, render_node_findings
from agent.cutting.plan.encoders import Wanted
from tests.support.users import as_user, give, need_root

DOCKER = Runner(1000, 1000, (), container=True)
HOST = Runner(1000, 1000, (), container=False)
NULL = os.makedev(1, 3)
"""A device that can be opened without a GPU."""


@pytest.fixture
def devices(shared: Path) -> Path:
    """As /dev/dri with one GPU."""
    need_root()
    for name in ("card0", "renderD128"):
        try:
            os.mknod(shared / name, stat.S_IFCHR | 0o660, NULL)
            os.close(os.open(shared / name, os.O_RDWR))
        except PermissionError:
            pytest.skip("no device files can be made here")
    return shared


def as_1000(devices: Path, who: Runner, *groups: int) -> Finding:
    (node,) = as_user(1000, [1000, *groups], lambda: render_node_findings("qsv", devices, who=who))
    return node


def test_no_gpu_is_no_finding(tmp_path: Path) -> None:
    assert render_node_findings("qsv", tmp_path / "dri") == []
    assert render_node_findings("qsv", tmp_path) == []


def test_a_node_of_a_group_needs_that_group(devices: Path) -> None:
    give(devices / "renderD128", 0, 105, 0o660)
    path = f"{devices}/renderD128"
    node = as_1000(devices, DOCKER)
    assert (node.name, node.ok) == (f"render node {path}", False)
    assert node.detail == (
        "not usable (Permission denied): belongs to 0:105 with mode 0660, "
        'and this is uid 1000, gid 1000, groups 1000; join its group with `group_add: ["105"]`'
    )
    assert as_1000(devices, HOST).detail.endswith(
        "join its group with `SupplementaryGroups=105` in the unit's igpu.conf (`install --with igpu`)"
    )
    assert as_1000(devices, DOCKER, 105) == Finding(
        f"render node {path}", True, "usable: belongs to 0:105 with mode 0660"
    )


def test_a_node_of_root_alone_is_opened_by_the_entrypoint(devices: Path) -> None:
    give(devices / "renderD128", 0, 0, 0o600)
    assert as_1000(devices, DOCKER).detail.endswith(
        "start the container as root with PUID and PGID, whose entrypoint opens it, "
        f"or `chmod 0666 {devices}/renderD128` on the host at each boot"
    )
    assert "udev rule" in as_1000(devices, HOST).detail


def test_a_device_that_the_container_was_not_given_is_passed() -> None:
    node = Entry("/dev/dri/renderD128", 0, 0, 0o666)
    assert fix_of(node, errno.EPERM, DOCKER) == "pass it with `devices: [/dev/dri]`, not as a volume"
    assert "DeviceAllow=char-drm rw" in fix_of(node, errno.EPERM, HOST)
    assert fix_of(node, errno.ENXIO, DOCKER) == "load its driver on the host"


def test_a_node_is_missed_only_where_a_gpu_is_demanded_and_none_is_usable(devices: Path) -> None:
    give(devices / "renderD128", 0, 0, 0o600)

    def good(wanted: Wanted) -> list[bool]:
        return as_user(
            1000, [1000], lambda: [found.ok for found in render_node_findings(wanted, devices, who=DOCKER)]
        )

    assert [good("auto"), good("nvenc"), good("vaapi")] == [[True], [True], [False]]
    os.mknod(devices / "renderD129", stat.S_IFCHR | 0o666, NULL)
    (devices / "renderD129").chmod(0o666)
    assert good("vaapi") == [True, True]
