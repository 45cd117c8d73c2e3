"""The broker command: its addresses, the lock of its folder, and its exit codes."""

from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.broker.storage.schema import FILE
from tests.support.broker import BrokerProcess


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a broker that is expected to exit by itself."""
    command = [sys.executable, "-m", "embedded.broker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "example.com"])
def test_only_loopback_addresses_are_served(tmp_path: Path, host: str) -> None:
    done = run("--data", str(tmp_path), "--host", host)
    assert done.returncode == 2
    assert "loopback" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_second_broker_on_a_data_folder_is_rejected(broker: BrokerProcess) -> None:
    done = run("--data", str(broker.data))
    assert done.returncode == 1
    assert f"another broker is running on {broker.data}" in done.stderr


def test_a_killed_broker_leaves_no_lock_behind(broker: BrokerProcess) -> None:
    broker.kill()
    broker.start()


def test_a_port_in_use_is_reported(broker: BrokerProcess, tmp_path: Path) -> None:
    port = broker.host_port.rpartition(":")[2]
    done = run("--data", str(tmp_path / "other"), "--port", port)
    assert done.returncode == 1
    assert f"can't listen on 127.0.0.1:{port}" in done.stderr


def test_data_of_a_later_version_is_not_changed(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    done = run("--data", str(tmp_path))
    assert done.returncode == 1
    assert "schema version 99" in done.stderr


def test_a_damaged_database_is_reported(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 1000)
    done = run("--data", str(tmp_path))
    assert done.returncode == 1
    assert "not a database" in done.stderr


def test_a_broker_exits_with_0_on_sigterm(broker: BrokerProcess) -> None:
    assert broker.stop() == 0


def test_a_broker_exits_with_0_on_sigint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "embedded.broker", "--data", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("PUBSUB_EMULATOR_HOST=127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_only_the_owner_can_access_the_data_folder(broker: BrokerProcess) -> None:
    assert stat.S_IMODE(broker.data.stat().st_mode) == 0o700
