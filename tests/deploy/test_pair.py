"""Two NAS machines, one active: power cuts, frozen agents and cut cables, on real systems.

Times are of one clock: the machines share this one's kernel.
"""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import pytest

from tests.deploy.conftest import Cloud, Measured
from tests.deploy.nas import UNIT, Nas
from tests.support.waiting import eventually

QUICK = {"preset": "quick", "drain_seconds": 60}
TTL_SECONDS = 10.0


@dataclass
class Pair:
    """`primary` was started first."""

    primary: Nas
    standby: Nas

    def logs(self) -> str:
        return self.primary.logs() + self.standby.logs()

    def takeover(self, within: float = 120.0) -> float:
        """Wait until the standby is active; when it was (its journal's time, s)."""
        epoch = self.primary_epoch
        health = self.standby.wait_for_role("active", within)
        assert health["epoch"] > epoch, "epochs only grow"
        return state_times(self.standby, "active")[-1]

    primary_epoch: int = 0


@pytest.fixture
def pair(cloud: Cloud) -> Pair:
    """A primary and its standby, both well, with the quick timings."""
    primary, standby = (cloud.make(name, ha=QUICK) for name in ("nas-1", "nas-2"))
    primary.host.run("clipping-agent", "provision")
    primary.start()
    epoch = primary.wait_for_role("active")["epoch"]
    standby.start()
    standby.wait_for_role("standby")
    eventually(lambda: standby.health().get("eligible"), "the standby to be eligible", logs=standby.logs)
    return Pair(primary, standby, epoch)


def test_systemctl_status_tells_who_leads(pair: Pair) -> None:
    epoch = pair.primary_epoch
    says(pair.primary, f"active, epoch {epoch}, 0 clips in hand")
    says(pair.standby, f"standby, epoch {epoch}, holder nas-1")
    shown = pair.primary.host.run("systemctl", "status", UNIT)
    assert f'Status: "active, epoch {epoch}, 0 clips in hand"' in shown


def test_the_standby_takes_over_when_the_primary_loses_power(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    cut = time.time()
    pair.primary.host.crash()
    measured("seconds_from_power_cut_to_active", pair.takeover() - cut)
    cloud.desk.completed(cloud.desk.ask(), logs=pair.standby.logs)
    epoch = pair.standby.health()["epoch"]

    pair.primary.host.boot()
    pair.primary.start()
    pair.primary.wait_for_role("standby")
    assert pair.standby.health()["epoch"] == epoch, "an old primary that returns is a standby"


def test_a_killed_agent_that_systemd_starts_again_leads_on(cloud: Cloud, pair: Pair) -> None:
    pid = pair.primary.pid
    pair.primary.host.run("kill", "-KILL", str(pid))
    eventually(lambda: pair.primary.pid not in (0, pid), "another agent", logs=pair.logs)
    eventually(lambda: "active" in (pair.primary.role(), pair.standby.role()), "a leader", logs=pair.logs)
    request_id = cloud.desk.ask()
    cloud.desk.completed(request_id, logs=pair.logs)
    assert (pair.primary.role(), pair.standby.role()) in [("active", "standby"), ("standby", "active")]


def test_a_stopped_primary_finishes_its_clip_and_the_standby_follows_at_once(
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
    assert once(cloud, request_id).agent_id == "nas-1"


def test_a_frozen_primary_is_replaced_and_does_nothing_on_waking(
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
    assert "(most recent call first)" in journal, "it is told where each thread stood"
    pair.primary.wait_for_role("standby")
    assert pair.standby.role() == "active"
    assert once(cloud, request_id).agent_id == "nas-2"


def test_agents_that_do_not_see_each_other_change_nothing(cloud: Cloud, pair: Pair) -> None:
    cloud.lan.cut(pair.primary.host.member, pair.standby.host.member)
    eventually(lambda: warnings(pair.standby), "a warning", within=60, logs=pair.logs)
    end = time.monotonic() + 2 * TTL_SECONDS
    while time.monotonic() < end:
        assert (pair.primary.role(), pair.standby.role()) == ("active", "standby"), pair.logs()
        time.sleep(0.5)
    assert pair.primary.health()["epoch"] == pair.primary_epoch
    cloud.desk.completed(cloud.desk.ask(), logs=pair.logs)


def test_a_primary_cut_from_the_store_stops_by_itself_before_the_standby_starts(
    cloud: Cloud, pair: Pair, measured: Measured
) -> None:
    request_id, ffmpeg = pair_encode(cloud, pair)
    cut = time.time()
    cloud.lan.cut(pair.primary.host.member, cloud.store.member)
    eventually(lambda: not alive(ffmpeg), "the primary's ffmpeg to be ended", logs=pair.logs)
    ended = time.time()
    started = pair.takeover()
    stopped = state_times(pair.primary, "fenced")[-1]
    measured("seconds_from_cut_to_stopped", stopped - cut)
    measured("seconds_from_cut_to_ffmpeg_gone", ended - cut)
    measured("seconds_from_cut_to_active", started - cut)
    assert stopped < started
    assert ended < started
    assert once(cloud, request_id).agent_id == "nas-2"

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


def says(nas: Nas, text: str) -> None:
    """Wait until the service's status is that."""
    eventually(
        lambda: nas.status_text() == text, text, every=0.2, logs=lambda: nas.status_text() + nas.logs()
    )


def pair_encode(cloud: Cloud, pair: Pair) -> tuple[str, int]:
    """A request whose ffmpeg, on the primary, was stopped at work, and that ffmpeg."""
    request_id = cloud.desk.ask(mode="encode", start_seconds=1, end_seconds=40)
    pid = eventually(lambda: pair.primary.find("ffmpeg"), "ffmpeg", every=0.001, logs=pair.logs)
    os.kill(pid, signal.SIGSTOP)
    return request_id, pid


def once(cloud: Cloud, request_id: str) -> Any:
    """The only completion of a request, of the only object."""
    completion = cloud.desk.completed(request_id)
    time.sleep(1)
    assert len(cloud.desk.all(request_id)) == 1
    assert len(cloud.store.objects("clips/")) == 1
    return completion


def events(nas: Nas, name: str) -> list[dict[str, str]]:
    """The journal's entries of one event."""
    told = nas.host.run("journalctl", "--no-pager", "--output=json", f"EVENT={name}")
    return [json.loads(line) for line in told.splitlines()]


def state_times(nas: Nas, state: str) -> list[float]:
    """When the agent took that state in the cluster."""
    changes = events(nas, "cluster.state")
    return [int(one["__REALTIME_TIMESTAMP"]) / 1e6 for one in changes if one["CLIPPING_NEW"] == state]


def warnings(nas: Nas) -> list[str]:
    """What the agent's journal has of warning level since its start."""
    told = nas.host.run(
        "journalctl", "--no-pager", "--output=cat", "--priority=warning", f"_SYSTEMD_UNIT={UNIT}"
    )
    return told.splitlines()


def alive(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")
