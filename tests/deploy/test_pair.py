"""Two NAS machines, one active: power loss, frozen agents and network partitions, on real systems.

All times are from one clock: the hosts share this machine's kernel.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.deploy.conftest import Cloud, Measured
from tests.deploy.nas import UNIT, Nas
from tests.support.hosts.services import clips_in
from tests.support.waiting import eventually

QUICK = {"preset": "quick", "drain_seconds": 60}
TTL_SECONDS = 10.0


@dataclass
class Pair:
    """Two agents of a cluster. `primary` was started first."""

    primary: Nas
    standby: Nas

    def logs(self) -> str:
        return self.primary.logs() + self.standby.logs()

    def takeover(self, within: float = 120.0) -> float:
        """Wait until the standby is active. Returns when it became active (its journal's time, s)."""
        epoch = self.primary_epoch
        health = self.standby.wait_for_role("active", within)
        assert health["epoch"] > epoch, "epochs only grow"
        return state_times(self.standby, "active")[-1]

    primary_epoch: int = 0


@pytest.fixture
def pair(cloud: Cloud) -> Pair:
    """A primary and its eligible standby, with the `quick` timings."""
    primary, standby = (cloud.make(name, ha=QUICK) for name in ("nas-1", "nas-2"))
    primary.host.run("clipping-agent", "provision")
    primary.start()
    epoch = primary.wait_for_role("active")["epoch"]
    standby.start()
    standby.wait_for_role("standby")
    eventually(lambda: standby.health().get("eligible"), "the standby to be eligible", logs=standby.logs)
    return Pair(primary, standby, epoch)


def test_systemctl_status_names_the_leader(pair: Pair) -> None:
    epoch = pair.primary_epoch
    wait_for_status(pair.primary, f"active, epoch {epoch}, 0 clips in flight")
    wait_for_status(pair.standby, f"standby, epoch {epoch}, leader nas-1")
    shown = pair.primary.host.run("systemctl", "status", UNIT)
    assert f'Status: "active, epoch {epoch}, 0 clips in flight"' in shown


@pytest.mark.parametrize("cloud", ["s3"], indirect=True)
def test_the_standby_takes_over_when_the_primary_loses_power(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    request_id, _ = pair_encode(cloud, pair)
    cut = time.time()
    pair.primary.host.crash()
    measured("seconds_from_power_cut_to_active", pair.takeover() - cut)
    cloud.desk.completed(request_id, logs=pair.standby.logs)
    measured("seconds_from_power_cut_to_link", time.time() - cut)
    assert only_completion(cloud, request_id).agent_id == "nas-2"
    epoch = pair.standby.health()["epoch"]

    pair.primary.host.boot()
    pair.primary.start()
    pair.primary.wait_for_role("standby")
    assert pair.standby.health()["epoch"] == epoch, "the old primary returns as a standby"
    asked = time.time()
    completion = cloud.desk.completed(cloud.desk.ask(), logs=pair.logs)
    measured("seconds_from_request_to_link", time.time() - asked)
    assert len(requests.get(completion.download_url, timeout=30).content) == completion.file_size_bytes


def test_a_leader_follows_when_systemd_restarts_a_killed_primary(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    pid = pair.primary.pid
    killed = time.time()
    pair.primary.host.run("kill", "-KILL", str(pid))
    eventually(lambda: pair.primary.pid not in (0, pid), "a new agent", logs=pair.logs)
    eventually(lambda: "active" in (pair.primary.role(), pair.standby.role()), "a leader", logs=pair.logs)
    measured("seconds_from_kill_to_active", time.time() - killed)
    request_id = cloud.desk.ask()
    cloud.desk.completed(request_id, logs=pair.logs)
    assert (pair.primary.role(), pair.standby.role()) in [("active", "standby"), ("standby", "active")]


def test_a_stopped_primary_finishes_its_clip_and_the_standby_takes_over_immediately(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    request_id, ffmpeg = pair_encode(cloud, pair)
    pair.primary.host.run("systemctl", "stop", "--no-block", UNIT)
    eventually(lambda: pair.primary.role() == "draining", "the drain", logs=pair.logs)
    assert pair.standby.role() == "standby"
    os.kill(ffmpeg, signal.SIGCONT)
    eventually(lambda: pair.primary.show("ActiveState") == "inactive", "the end", logs=pair.logs)
    assert (pair.primary.show("Result"), pair.primary.show("ExecMainStatus")) == ("success", "0")
    after = pair.takeover() - state_times(pair.primary, "stopped")[-1]
    measured("seconds_from_stopped_to_active", after)
    assert after < 10
    assert only_completion(cloud, request_id).agent_id == "nas-1"


def test_a_frozen_primary_is_replaced_and_does_nothing_when_resumed(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    request_id, ffmpeg = pair_encode(cloud, pair)
    pid = pair.primary.pid
    pair.primary.host.run("kill", "-STOP", str(pid))
    frozen = time.time()
    os.kill(ffmpeg, signal.SIGCONT)
    measured("seconds_from_sigstop_to_active", pair.takeover() - frozen)
    cloud.desk.completed(request_id, logs=pair.logs)

    eventually(lambda: pair.primary.pid not in (0, pid), "the watchdog", within=150, logs=pair.logs)
    measured("seconds_from_sigstop_to_restarted", time.time() - frozen)
    journal = pair.primary.host.run("journalctl", "--no-pager", f"--unit={UNIT}", "--output=cat")
    assert "Watchdog timeout" in journal
    assert "(most recent call first)" in journal, "it contains the stack of each thread"
    pair.primary.wait_for_role("standby")
    assert pair.standby.role() == "active"
    assert only_completion(cloud, request_id).agent_id == "nas-2"


def test_a_partition_between_agents_changes_no_role(cloud: Cloud, pair: Pair) -> None:
    cloud.lan.cut(pair.primary.host.member, pair.standby.host.member)
    eventually(lambda: warnings(pair.standby), "a warning", within=60, logs=pair.logs)
    end = time.monotonic() + 2 * TTL_SECONDS
    while time.monotonic() < end:
        assert (pair.primary.role(), pair.standby.role()) == ("active", "standby"), pair.logs()
        time.sleep(0.5)
    assert pair.primary.health()["epoch"] == pair.primary_epoch
    cloud.desk.completed(cloud.desk.ask(), logs=pair.logs)


@pytest.mark.parametrize("cloud", ["s3"], indirect=True)
def test_a_primary_cut_from_the_store_fences_itself_before_the_standby_takes_over(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    request_id, ffmpeg = pair_encode(cloud, pair)
    cut = time.time()
    cloud.lan.cut(pair.primary.host.member, cloud.store.member)
    eventually(lambda: not alive(ffmpeg), "the primary's ffmpeg to be killed", logs=pair.logs)
    ended = time.time()
    started = pair.takeover()
    stopped = state_times(pair.primary, "fenced")[-1]
    measured("seconds_from_cut_to_stopped", stopped - cut)
    measured("seconds_from_cut_to_ffmpeg_gone", ended - cut)
    measured("seconds_from_cut_to_active", started - cut)
    assert stopped < started
    assert ended < started
    assert only_completion(cloud, request_id).agent_id == "nas-2"

    cloud.lan.heal(pair.primary.host.member, cloud.store.member)
    pair.primary.wait_for_role("standby")
    assert pair.standby.role() == "active"


def test_a_primary_cut_from_pubsub_resigns(cloud: Cloud, pair: Pair, measured: Measured) -> None:
    cut = time.time()
    cloud.lan.cut(pair.primary.host.member, cloud.broker.member)
    measured("seconds_from_cut_to_active", pair.takeover(within=240) - cut)
    pair.primary.wait_for_role("standby")
    assert not pair.primary.health()["eligible"]
    cloud.desk.completed(cloud.desk.ask(), logs=pair.logs)


def wait_for_status(nas: Nas, text: str) -> None:
    """Wait until the service's status text is `text`."""
    eventually(
        lambda: nas.status_text() == text, text, every=0.2, logs=lambda: nas.status_text() + nas.logs()
    )


def pair_encode(cloud: Cloud, pair: Pair) -> tuple[str, int]:
    """Request a clip and SIGSTOP its ffmpeg on the primary. Returns the request id and the ffmpeg's process
    id."""
    request_id = cloud.desk.ask(mode="encode", start_seconds=1, end_seconds=40)
    pid = eventually(lambda: pair.primary.find("ffmpeg"), "ffmpeg", every=0.001, logs=pair.logs)
    os.kill(pid, signal.SIGSTOP)
    return request_id, pid


def only_completion(cloud: Cloud, request_id: str) -> Any:
    """The only completion of a request; fails if there are several, or several objects."""
    completion = cloud.desk.completed(request_id)
    time.sleep(1)
    assert len(cloud.desk.all(request_id)) == 1
    assert len(clips_in(cloud.store)) == 1
    return completion


def events(nas: Nas, name: str) -> list[dict[str, str]]:
    """The journal's entries for an event."""
    output = nas.host.run("journalctl", "--no-pager", "--output=json", f"EVENT={name}")
    return [json.loads(line) for line in output.splitlines()]


def state_times(nas: Nas, state: str) -> list[float]:
    """When the agent entered a state of the cluster."""
    changes = events(nas, "cluster.state")
    return [int(one["__REALTIME_TIMESTAMP"]) / 1e6 for one in changes if one["CLIPPING_NEW"] == state]


def warnings(nas: Nas) -> list[str]:
    """The agent's journal entries of level warning and above."""
    output = nas.host.run(
        "journalctl", "--no-pager", "--output=cat", "--priority=warning", f"_SYSTEMD_UNIT={UNIT}"
    )
    return output.splitlines()


def alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")
