"""One agent and its messages."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from clipping.errors import ConfigurationError
from tests.agent.agent_process import AgentProcess
from tests.support.media import Recording, make
from tests.support.procs import children_of
from tests.support.waiting import eventually


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[AgentProcess]:
    (tmp_path / "nas").mkdir()
    shutil.copy(make(Recording(seconds=12)), tmp_path / "nas" / "night.mp4")
    with AgentProcess(tmp_path) as agent:
        yield agent


def test_a_start_that_fails_leaves_no_process_behind(tmp_path: Path) -> None:
    before = children_of(os.getpid()), os.environ.get("PUBSUB_EMULATOR_HOST")
    with pytest.raises(ConfigurationError, match=r"agent\.id"):
        AgentProcess(tmp_path, agent={"id": "no name"})
    assert (children_of(os.getpid()), os.environ.get("PUBSUB_EMULATOR_HOST")) == before


def test_a_redelivered_message_adopts_the_clip(agent: AgentProcess) -> None:
    message = agent.send()
    (first,) = agent.completed(message.request_id)
    (clip,) = agent.objects(message.request_id)
    before = clip.stat()

    agent.publish(message)  # as after a death between the upload and the acknowledgement
    _, second = agent.completed(message.request_id, count=2)
    assert agent.events("clip.adopted")
    assert clip.stat() == before
    same = {"output_uri", "sha256", "file_size_bytes", "duration_seconds", "report"}
    assert second.model_dump(include=same) == first.model_dump(include=same)
    assert second.sha256


@pytest.mark.slow
def test_the_clips_of_a_day_are_counted_over_restarts(agent: AgentProcess) -> None:
    for _ in range(2):
        agent.completed(agent.send().request_id)
    agent.stop()
    agent.start()
    agent.completed(agent.send().request_id)
    agent.stop()
    assert agent.record().completed_clips_24h == 3


def test_a_message_delivered_twice_at_once_is_cut_once(agent: AgentProcess) -> None:
    message = agent.send(start_seconds=0, end_seconds=11, mode="encode")
    agent.publish(message)
    agent.completed(message.request_id)
    eventually(lambda: agent.events("clip.joined") or agent.events("clip.adopted"), "the second message")
    assert len(agent.events("clip.joined")) + len(agent.events("clip.adopted")) == 1
    agent.stop()
    assert not agent.undelivered()()


@pytest.mark.slow
def test_unreadable_messages_go_to_the_dead_letter_topic_at_once(agent: AgentProcess) -> None:
    poison = {b"{", b"\xff\xfe", b"[]", b'{"schema": 1, "request_id": "../../etc"}', b"x" * 9_900_000}
    for data in poison:
        agent.publish(data)
    message = agent.send()
    agent.completed(message.request_id)
    refused: list[bytes] = []
    while len(refused) < len(poison):
        refused += agent.dead_letters()
    assert sorted(refused) == sorted(poison)
    agent.stop()
    assert not agent.undelivered()()


@pytest.mark.slow
def test_an_unavailable_nas_pauses_the_intake(agent: AgentProcess) -> None:
    (agent.nas / "night.mp4").rename(agent.folder / "unplugged.mp4")  # an empty folder: nothing is mounted
    unwell = eventually(lambda: _unwell(agent), "the health page to report it")
    assert "mount the NAS there" in unwell
    eventually(lambda: agent.events("intake.paused"), "the streams to be closed", logs=agent.log)
    released = len(agent.events("clip.released"))
    message = agent.send()
    assert not agent.completions_within(message.request_id, seconds=4)
    assert len(agent.events("clip.released")) == released, "its attempts are not used up"
    (agent.folder / "unplugged.mp4").rename(agent.nas / "night.mp4")
    (completion,) = agent.completed(message.request_id)
    assert completion.status == "completed"


@pytest.mark.slow
def test_losing_the_nas_with_a_request_in_flight_is_not_reported_as_not_found(agent: AgentProcess) -> None:
    (agent.nas / "night.mp4").rename(agent.folder / "unplugged.mp4")
    message = agent.send()  # before the agent has noticed
    eventually(lambda: agent.events("intake.paused"), "the streams to be closed", logs=agent.log)
    assert {event["code"] for event in agent.events("clip.released")} <= {"SOURCE_UNAVAILABLE"}
    (agent.folder / "unplugged.mp4").rename(agent.nas / "night.mp4")
    (completion,) = agent.completed(message.request_id)
    assert completion.status == "completed"


def _unwell(agent: AgentProcess) -> str | None:
    answer = requests.get(agent.health_url, timeout=5)
    return answer.text if answer.status_code == 503 else None


@pytest.mark.slow
def test_a_drain_that_is_too_short_gives_the_clip_back(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    shutil.copy(make(Recording(seconds=60)), tmp_path / "nas" / "night.mp4")
    with AgentProcess(tmp_path) as agent:
        text = agent.config.read_text().replace("mode: single", "mode: single\n  drain_seconds: 0.1")
        agent.config.write_text(text)
        agent.stop()
        agent.start()
        message = agent.send(start_seconds=0, end_seconds=55, mode="encode")
        agent.hold_cut(message)
        assert agent.stop() == 0
        assert agent.events("agent.gave_back")
        assert list((agent.folder / "state/spool").iterdir()) == []
        assert agent.objects(message.request_id) == []
        agent.start()
        (completion,) = agent.completed(message.request_id, timeout=90)
        assert completion.status == "completed"
        assert completion.attempt >= 2


def test_a_cancelled_clip_is_not_cut_and_one_in_flight_stops(tmp_path: Path) -> None:
    (tmp_path / "nas").mkdir()
    shutil.copy(make(Recording(seconds=60)), tmp_path / "nas" / "night.mp4")
    with AgentProcess(tmp_path) as agent:
        queued = agent.message()
        agent.cancel(queued.request_id)
        agent.publish(queued)
        (completion,) = agent.completed(queued.request_id)
        assert (completion.status, completion.error) == ("cancelled", None)

        running = agent.send(start_seconds=0, end_seconds=55, mode="encode")
        agent.hold_cut(running)
        agent.cancel(running.request_id)
        (completion,) = agent.completed(running.request_id)
        assert completion.status == "cancelled"
        assert not agent.objects(queued.request_id) + agent.objects(running.request_id)
        agent.stop()
        assert not agent.undelivered()()


@pytest.mark.slow
def test_a_second_agent_on_the_same_folder_does_not_start(agent: AgentProcess) -> None:
    done = agent.command("run")
    assert done.returncode == 78
    assert f"is in use by process {agent.pid} (" in done.stderr
    assert "start.waiting" in done.stderr


@pytest.mark.slow
def test_a_reload_applies_live_keys_and_an_invalid_file_changes_nothing(agent: AgentProcess) -> None:
    good = agent.config.read_text()
    agent.config.write_text(good.replace("format: json", "format: json\n  level: debug"))
    done = agent.command("ctl", "reload", "--json")
    assert (done.returncode, json.loads(done.stdout)["applied"]) == (0, ["log.level"])

    agent.config.write_text(good.replace("format: json", "format: loud").replace("nas-1", "nas 1"))
    bad = agent.command("ctl", "reload")
    assert bad.returncode == 78
    assert "agent.id" in bad.stderr
    assert "log.format" in bad.stderr
    agent.send_signal(signal.SIGHUP)
    eventually(lambda: agent.events("config.broken"), "the log to report it", logs=agent.log)
    assert agent.command("ctl", "status").returncode == 0  # although the file is broken
    assert agent.runs
    agent.completed(agent.send().request_id)

    agent.config.write_text(good.replace("lease_seconds: 10", "lease_seconds: 20"))
    agent.send_signal(signal.SIGHUP)
    eventually(lambda: len(agent.events("config.reloaded")) == 2, "the signal's reload", logs=agent.log)
    assert agent.events("config.reloaded")[-1]["needs_restart"] == ["pubsub.lease_seconds"]
    agent.config.write_text(good)


@pytest.mark.slow
def test_the_intake_can_be_paused_and_resumed(agent: AgentProcess) -> None:
    assert agent.command("ctl", "pause").returncode == 0
    message = agent.send()
    assert not agent.completions_within(message.request_id, seconds=3)
    status = json.loads(agent.command("ctl", "status", "--json").stdout)
    assert (status["role"], status["intake"]) == ("active", False)
    assert agent.command("ctl", "resume").returncode == 0
    agent.completed(message.request_id)
    agent.stop()
    gone = agent.command("ctl", "status")
    assert gone.returncode == 1
    assert "no agent answers" in gone.stderr


@pytest.mark.slow
def test_a_drain_without_an_election_waits_for_the_clip_in_flight(agent: AgentProcess) -> None:
    message = agent.send(start_seconds=0, end_seconds=11, mode="encode")
    held = agent.hold_cut(message)
    with ThreadPoolExecutor(1) as commands:
        drain = commands.submit(agent.command, "ctl", "drain", "--json")
        eventually(lambda: _status(agent)["intake"] is False, "the drain to begin", every=0.2)
        assert _status(agent)["in_flight"]
        assert not drain.done()
        held.release()
        done = drain.result()
    assert done.returncode == 0, done.stderr
    status = json.loads(done.stdout)
    assert (status["role"], status["intake"], status["in_flight"]) == ("active", False, [])
    agent.completed(message.request_id)


def _status(agent: AgentProcess) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(agent.command("ctl", "status", "--json").stdout)
    return found


def test_the_commands_of_an_administrator(agent: AgentProcess) -> None:
    good = agent.command("doctor")
    assert good.returncode == 0, good.stdout
    assert "BAD" not in good.stdout
    for name in ("ffmpeg", "encoder libx264", f"nas {agent.nas}", "pubsub", "store", "signing", "clock"):
        assert name in good.stdout
    assert agent.command("provision").stdout == "nothing to change\n"
    assert agent.command("check-config").returncode == 0

    bad = agent.command(
        "doctor", CLIPPING_AGENT__FFMPEG="/usr/bin/false", CLIPPING_PUBSUB__WORKER_SUBSCRIPTION="other"
    )
    assert bad.returncode == 1
    bad_checks = {line.split()[1]: line for line in bad.stdout.splitlines() if line.startswith("BAD")}
    assert "clipping-agent provision" in bad_checks["pubsub"]
    assert "ffmpeg" in bad_checks or "encoder" in bad_checks

    wrong = agent.command(
        "check-config", CLIPPING_AGENT__SLOTS__INTERACTIVE="none", CLIPPING_LOG__LEVEL="loud"
    )
    assert wrong.returncode == 78
    assert "agent.slots.interactive" in wrong.stderr
    assert "log.level" in wrong.stderr
