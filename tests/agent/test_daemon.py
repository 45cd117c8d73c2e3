"""The address at which other agents reach an agent's health page."""

from __future__ import annotations

import socket

import pytest

from agent.daemon import advertised
from clipping.config import Health


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8005"),
        ("::1", "http://[::1]:8005"),
        ("nas-1.lan", "http://nas-1.lan:8005"),
        ("0.0.0.0", f"http://{socket.gethostname()}:8005"),
        ("::", f"http://{socket.gethostname()}:8005"),
    ],
)
def test_by_the_address_it_listens_on(host: str, url: str) -> None:
    assert advertised(Health(host=host), 8005) == url


def test_or_as_the_configuration_says() -> None:
    assert advertised(Health(advertise_url="http://nas:80"), 8005) == "http://nas:80"
