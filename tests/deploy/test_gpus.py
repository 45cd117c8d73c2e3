"""The service on a host with the device file of a GPU, and its drop-in."""

from __future__ import annotations

from tests.deploy.conftest import INSTALL, INSTALL_SECONDS, Cloud
from tests.deploy.nas import UNIT, Nas
from tests.support.waiting import eventually

FUSE = ("10", "229")
"""Stands for a GPU: a device that the service may not use without the drop-in."""
GIVEN = "[Service]\nDeviceAllow=char-misc rw\n"


def encoder(nas: Nas) -> str:
    """What the doctor says of VAAPI, in the service's sandbox."""
    said = nas.host.call("clipping-agent", "doctor").stdout.splitlines()
    return next(line for line in said if " encoder h264_vaapi " in line)


def test_the_drop_in_gives_the_service_the_device(cloud: Cloud) -> None:
    nas = cloud.make("nas-1", ha={"mode": "single"}, cutting={"encoder": "auto"})
    host = nas.host
    host.run("groupadd", "--force", "render")
    host.call("groupdel", "video")
    host.run("mkdir", "/dev/dri")
    host.run("mknod", "/dev/dri/renderD128", "c", *FUSE)
    assert "there is no /dev/dri here" in encoder(nas)

    done = host.call(INSTALL, "--wheels", "/srv/wheels", "--with", "igpu", timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stdout
    assert nas.show("SupplementaryGroups") == "render", "a group that does not exist would fail the start"
    host.run("chmod", "0600", "/dev/dri/renderD128")
    assert "this user may not open /dev/dri/renderD128" in encoder(nas)

    host.run("chgrp", "render", "/dev/dri/renderD128")
    host.run("chmod", "0660", "/dev/dri/renderD128")
    assert "the service or the container may not use /dev/dri/renderD128" in encoder(nas), "it is no GPU's"

    nas.drop_in("fuse", GIVEN)
    assert "libva is missing: install libva2 and libva-drm2" in encoder(nas)
    nas.start()
    log = ("journalctl", "--unit", UNIT, "--output", "cat", "--grep", "encoder.tried.*h264_vaapi")
    found = eventually(
        lambda: host.call(*log).stdout or None, "the trials", within=60, every=0.5, logs=nas.logs
    )
    assert "libva is missing" in found, "the service has the device, too"
