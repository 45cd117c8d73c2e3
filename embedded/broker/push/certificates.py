"""Serves the push tokens' certificates over HTTP on loopback: only `GET /certs`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/certs"

_IDLE_SECONDS = 10.0
_JOIN_SECONDS = 5.0


class CertificateServer:
    """Like https://www.googleapis.com/oauth2/v1/certs: an object of key ids and PEM certificates."""

    def __init__(self, host: str, port: int, certificates: Mapping[str, str]) -> None:
        body = json.dumps(dict(certificates)).encode()

        class Handler(_Handler):
            certificates = body

        server = _Server6 if ":" in host else _Server
        self._server = server((host, port), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="broker-certificates", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving. Blocks."""
        self._server.shutdown()
        self._thread.join(_JOIN_SECONDS)
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    certificates = b"{}"
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        if self.path != PATH:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.certificates)))
        self.send_header("Cache-Control", "public, max-age=3600")
        self.end_headers()
        self.wfile.write(self.certificates)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""
