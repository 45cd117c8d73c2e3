"""Hosts with the agent installed, and the cloud services that they reach over a private network.

Each test gets new hosts and services. Only the wheels and the disk with the installed agent are shared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clipping.config import validate
from tests.deploy.desk import Desk
from tests.deploy.nas import Nas, configuration, recordings
from tests.support.gcs import ServiceAccount
from tests.support.hosts import base, machine
from tests.support.hosts.host import Host
from tests.support.hosts.lan import Lan
from tests.support.hosts.services import LanBroker, LanSeaweed, LanStore
from tests.support.media import Recording, make

ROOT = Path(__file__).parents[2]
INSTALL = "/srv/systemd/install"
PIP_SECONDS = 500
STORE = "CLIPPING_TEST_STORE"
"""The environment variable with the store of all tests, `gcs` or `s3`. Unset: `gcs`, and `s3` for some."""
INSTALL_SECONDS = 300.0


@pytest.fixture(scope="session")
def tree() -> Path:
    """The root file system that hosts boot from."""
    reason = machine.missing()
    if reason is not None:
        pytest.skip(f"hosts can't be booted on this machine: {reason}")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the wheels for Debian 12 need Python 3.11")
    found = base.tree()
    if found is None:
        pytest.skip("no Debian tree to boot: create one with `scripts/test-systemd` (needs the network)")
    return found


@pytest.fixture(scope="session")
def wheels(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of this checkout and of everything that an agent needs."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [str(ROOT / "scripts" / "wheels"), str(folder)]
    environ = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=PIP_SECONDS, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"pip could not collect the wheels: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> ServiceAccount:
    """The account whose key the agents sign with."""
    return ServiceAccount(tmp_path_factory.mktemp("account"))


@pytest.fixture(scope="session")
def installed(
    tree: Path, wheels: Path, account: ServiceAccount, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The disk of a host after the installer ran: the lower layer of other hosts' disks."""
    folder = tmp_path_factory.mktemp("installed")
    shares = {"/srv/key": account.key_file.parent, **installer_shares(wheels)}
    with Lan() as lan:
        host = Host(lan, "template", [tree], folder, shares=shares)
        host.boot()
        command = [INSTALL, "--wheels", "/srv/wheels"]
        command += ["--credentials", f"/srv/key/{account.key_file.name}"]
        host.run(*command, timeout=INSTALL_SECONDS)
        host.shut_down()
    return host.disk


def installer_shares(wheels: Path) -> dict[str, Path]:
    """The files that an administrator copies to the host."""
    return {"/srv/wheels": wheels, "/srv/systemd": ROOT / "deploy" / "systemd"}


@dataclass
class Cloud:
    """The network and the cloud services, and `make` for a NAS."""

    lan: Lan
    broker: LanBroker
    store: LanStore | LanSeaweed
    desk: Desk
    make: Callable[..., Nas]
    """Boots a host of the given name with the agent installed and configured, but not started. Keywords are
    sections of the agent's configuration."""


@pytest.fixture(scope="session")
def recording_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that every NAS has at /srv/recordings."""
    return recordings(tmp_path_factory.mktemp("nas") / "recordings", make(Recording(seconds=60)))


@pytest.fixture
def cloud(
    request: pytest.FixtureRequest,
    tree: Path,
    installed: Path,
    wheels: Path,
    recording_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    """The store is Cloud Storage, or SeaweedFS for tests with the parameter `s3`."""
    with ExitStack() as stack:
        lan = stack.enter_context(Lan())
        broker = stack.enter_context(LanBroker(lan, tmp_path_factory.mktemp("broker")))
        store = stack.enter_context(
            LanSeaweed(lan, tmp_path_factory.mktemp("seaweed"))
            if (os.environ.get(STORE) or getattr(request, "param", "gcs")) == "s3"
            else LanStore(lan)
        )
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.host_port)
        desk = Desk(validate(configuration("any", store.member.address, store.section)))
        stack.callback(desk.close)
        environment = {"PUBSUB_EMULATOR_HOST": broker.host_port, **store.environment}

        def make_nas(name: str, **over: Any) -> Nas:
            folder = tmp_path_factory.mktemp(name)
            shares = {"/srv/recordings": recording_folder, **installer_shares(wheels)}
            host = stack.enter_context(Host(lan, name, [installed, tree], folder, shares=shares))
            return Nas(host, environment, configuration(name, host.address, store.section, **over))

        yield Cloud(lan, broker, store, desk, make_nas)


Measured = Callable[[str, float], None]
"""Records seconds under a name; the end of the run lists them."""


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    def note(name: str, seconds: float) -> None:
        request.node.user_properties.append((name, round(seconds, 2)))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measurements, one line each."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name.startswith("seconds_"):
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name} {value}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that boot hosts as slow."""
    for item in items:
        if "tree" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.systemd)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(600))
