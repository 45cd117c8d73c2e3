"""The service on one NAS, through `systemctl` and `journalctl`."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.deploy.conftest import Cloud, Measured
from tests.deploy.nas import UNIT, Nas
from tests.support.hosts.services import clips_in
from tests.support.waiting import eventually

SINGLE = {"mode": "single"}


@pytest.fixture
def nas(cloud: Cloud, measured: Measured) -> Nas:
    """A running service."""
    nas = cloud.make("nas-1", ha=SINGLE)
    begun = time.monotonic()
    nas.start()
    measured("seconds_from_start_to_ready", time.monotonic() - begun)
    return nas


@pytest.mark.parametrize(
    "request_fields",
    [{"mode": "copy"}, {"mode": "smart", "start_seconds": 1.3, "end_seconds": 5.7}, {"mode": "encode"}],
    ids=["copy", "smart", "encode"],
)
def test_clips_are_cut_in_the_sandbox(cloud: Cloud, nas: Nas, request_fields: dict[str, object]) -> None:
    request_id = cloud.desk.ask(**request_fields)
    completion = cloud.desk.completed(request_id, logs=nas.logs)
    assert completion.output_gcs_path is not None
    assert completion.output_gcs_path.endswith(clips_in(cloud.store)[0])
    assert completion.report is not None
    assert completion.report.mode == request_fields["mode"], "the sandbox does not change the mode"


def test_the_sandbox_is_in_force(nas: Nas) -> None:
    status = nas.host.run("cat", f"/proc/{nas.pid}/status")
    assert re.search(r"^Uid:\s+[1-9]", status, re.M), "the agent does not run as root"
    assert re.search(r"^CapBnd:\s+0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert re.search(r"^Seccomp:\s+2$", status, re.M)


def test_start_returns_when_the_agent_is_ready_and_the_status_shows_its_work(nas: Nas) -> None:
    assert nas.health()["agent_id"] == "nas-1"
    eventually(
        lambda: re.match(r"active\b.*\bepoch \d+.*\b0 clips in flight", nas.status_text()), nas.status_text()
    )
    assert "Status: " in nas.host.run("systemctl", "status", UNIT)


def test_the_journal_can_be_filtered_by_clip(cloud: Cloud, nas: Nas) -> None:
    request_id = cloud.desk.ask()
    cloud.desk.completed(request_id, logs=nas.logs)
    output = nas.host.run(
        "journalctl",
        "--no-pager",
        "--output=json",
        f"CLIPPING_REQUEST_ID={request_id}",
        f"_SYSTEMD_UNIT={UNIT}",
    )
    events = [json.loads(line)["EVENT"] for line in output.splitlines()]
    assert "clip.completed" in events


def test_a_killed_agent_is_restarted_and_resumes_its_clip(cloud: Cloud, nas: Nas) -> None:
    request_id, ffmpeg = frozen_encode(cloud, nas)
    before = nas.pid
    nas.host.run("kill", "-KILL", str(before))
    eventually(lambda: not Path(f"/proc/{ffmpeg}").exists(), "ffmpeg to be killed too")
    eventually(lambda: nas.pid not in (0, before) and nas.health(), "a new agent", logs=nas.logs)
    cloud.desk.completed(request_id, logs=nas.logs)
    assert len(clips_in(cloud.store)) == 1
    assert int(nas.show("NRestarts")) == 1


def test_a_reload_applies_a_valid_configuration_and_rejects_an_invalid_one(cloud: Cloud, nas: Nas) -> None:
    pid = nas.pid
    done = nas.host.call("systemctl", "reload", UNIT)
    assert done.returncode == 0, done.stdout + nas.logs()
    good = nas.host.path("/etc/clipping-agent/config.yaml").read_text()
    nas.write_config("agent: {nas_roots: [{path: relative}], nonsense: 1}\n")
    done = nas.host.call("systemctl", "reload", UNIT)
    assert done.returncode != 0
    journal = nas.host.journal()
    assert "agent.nas_roots.0.path: must be an absolute path" in journal
    assert "agent.nonsense: unknown key" in journal
    assert (nas.pid, nas.show("ActiveState")) == (pid, "active")
    cloud.desk.completed(cloud.desk.ask(), logs=nas.logs)
    nas.write_config(good)
    assert nas.host.call("systemctl", "reload", UNIT).returncode == 0


def test_a_stop_finishes_the_clip_in_flight(cloud: Cloud, nas: Nas) -> None:
    request_id, ffmpeg = frozen_encode(cloud, nas)
    nas.host.run("systemctl", "stop", "--no-block", UNIT)
    eventually(lambda: nas.show("ActiveState") == "deactivating", "the stop")
    assert nas.find("ffmpeg") == ffmpeg, "the clip is still in flight"
    os.kill(ffmpeg, signal.SIGCONT)
    eventually(lambda: nas.show("ActiveState") == "inactive", "the end", within=120, logs=nas.logs)
    assert nas.show("Result") == "success"
    assert nas.show("ExecMainStatus") == "0"
    cloud.desk.completed(request_id, logs=nas.logs)
    assert len(cloud.desk.all(request_id)) == 1
    assert len(clips_in(cloud.store)) == 1


def test_an_invalid_configuration_is_not_retried(nas: Nas) -> None:
    nas.host.run("systemctl", "stop", UNIT)
    nas.write_config("agent: {nonsense: 1}\n")
    assert nas.host.call("systemctl", "start", UNIT).returncode != 0
    assert nas.show("ExecMainStatus") == "78"
    assert nas.show("ActiveState") == "failed"
    assert nas.show("NRestarts") == "0"


def test_a_root_can_be_mounted_and_unmounted_while_the_agent_runs(cloud: Cloud) -> None:
    nas = cloud.make("nas-1", ha=SINGLE, agent={"nas_roots": [{"path": "/srv/late", "marker": ".mounted"}]})
    nas.host.run("mkdir", "/srv/late")
    nas.start()
    pid = nas.pid
    request_id = cloud.desk.ask(nas_video_path="/srv/late/night.mp4")
    mount(nas)
    cloud.desk.completed(request_id, logs=nas.logs)

    # A check can have the folder open at this moment.
    eventually(lambda: nas.host.call("umount", "/srv/late").returncode == 0, "the unmount", every=0.2)
    # Without a token, the health page names a root by its number, not by its path.
    eventually(lambda: any("nas root 1" in why for why in reasons(nas)), "the check", logs=nas.logs)
    request_id = cloud.desk.ask(nas_video_path="/srv/late/night.mp4")
    time.sleep(3)
    assert cloud.desk.all(request_id) == [], "the recording is not reported as missing"
    mount(nas)
    cloud.desk.completed(request_id, logs=nas.logs)
    assert nas.pid == pid, "the agent keeps running without its mount"


def reasons(nas: Nas) -> list[str]:
    """The reasons for which the agent is unhealthy."""
    given: list[str] = nas.health().get("reasons", [])
    return given


def mount(nas: Nas) -> None:
    """Mount a NAS share at /srv/late."""
    nas.host.run("mount", "-t", "tmpfs", "tmpfs", "/srv/late")
    nas.host.run("sh", "-c", "cp /srv/recordings/night.mp4 /srv/late && touch /srv/late/.mounted")


def frozen_encode(cloud: Cloud, nas: Nas) -> tuple[str, int]:
    """Request a clip and SIGSTOP its ffmpeg. Returns the request id and the ffmpeg's process id on this
    machine."""
    request_id = cloud.desk.ask(mode="encode", start_seconds=1, end_seconds=40)
    pid = eventually(lambda: nas.find("ffmpeg"), "ffmpeg", every=0.001, logs=nas.logs)
    os.kill(pid, signal.SIGSTOP)
    return request_id, pid
