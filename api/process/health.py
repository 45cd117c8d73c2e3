"""`clipping-api health`: whether the API on this machine accepts requests, for a container's health check.

Run every few seconds, so it loads little, and validates nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from pathlib import Path

from api.process.configuration import configuration_path
from clipping import config_file
from clipping.exits import EXIT_FAILED, EXIT_OK

ANSWER_SECONDS = 5.0
MAX_BODY = 1 << 20
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a server answers that listens on all addresses."""


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0 requests are accepted, 1 they are not or no API answers; one line says why."""
    host, port = address(arguments.config or configuration_path())
    shown = f"[{host}]" if ":" in host else host
    try:
        status, body = _ask(host, port)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        sys.stderr.write(f"no API answers at http://{shown}:{port}/health: {why}\n")
        return EXIT_FAILED
    if status == http.client.OK:
        sys.stdout.write("the API accepts requests\n")
        return EXIT_OK
    sys.stderr.write(f"the API answers with {status}: {_reasons(body)}\n")
    return EXIT_FAILED


def address(path: Path | None) -> tuple[str, int]:
    """Where the API of this configuration answers on this machine. Raises `ConfigurationError`."""
    host = str(config_file.value("api.host", path) or config_file.API_HOST)
    port = str(config_file.value("api.port", path))
    return LOOPBACK.get(host, host), int(port) if port.isdecimal() else config_file.API_PORT


def _ask(host: str, port: int) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status, answer.read(MAX_BODY)
    finally:
        connection.close()


def _reasons(body: bytes) -> str:
    try:
        return "; ".join(map(str, json.loads(body)["reasons"])) or "no reason"
    except (ValueError, LookupError, TypeError):
        return "not the API's answer"
