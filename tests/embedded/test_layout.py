"""Choosing ports for a local stack."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from embedded import layout
from embedded.child import StartFailed
from embedded.layout import HOST, free_port

CHOOSE_FROM_ONE = """
import sys
from embedded import layout
layout.PORTS = (int(sys.argv[1]), int(sys.argv[1]))
print(layout.free_port())
"""


def test_a_chosen_port_can_be_bound_but_is_not_chosen_by_another_process() -> None:
    port = free_port()
    other = subprocess.run(
        [sys.executable, "-c", CHOOSE_FROM_ONE, str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert other.returncode == 1
    assert "StartFailed: no free port" in other.stderr
    with socket.create_server((HOST, port)) as server:
        assert server.getsockname()[1] == port


def test_a_port_that_a_server_listens_on_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with socket.create_server((HOST, port)):
        monkeypatch.setattr(layout, "PORTS", (port, port))
        with pytest.raises(StartFailed, match="no free port"):
            free_port()


def test_reservations_are_bounded() -> None:
    for _ in range(layout.MAX_RESERVATIONS + 1):
        free_port()
    assert len(layout._reservations) == layout.MAX_RESERVATIONS
