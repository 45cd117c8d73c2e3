"""Identity tokens like Google's, signed with generated keys, and the server of their certificates."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt


class Signer:
    """A signing key and its certificate."""

    def __init__(self, key_id: str, *, audience: str, email: str) -> None:
        self.audience, self.email = audience, email
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        self.key_id = key_id
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()
        self._signer: Any = crypt.RSASigner.from_string(pem, key_id=key_id)

    def token(self, **over: Any) -> str:
        """A valid token, or an invalid one with the claims in `over` (None removes a claim)."""
        now = int(time.time())
        claims = {
            "iss": "https://accounts.google.com",
            "aud": self.audience,
            "email": self.email,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
            **over,
        }
        present = {name: value for name, value in claims.items() if value is not None}
        return str(jwt.encode(self._signer, present).decode())


class CertificateServer:
    """Serves certificates, and counts the requests."""

    def __init__(self, signers: list[Signer]) -> None:
        outer = self
        self.signers, self.asked, self.broken = signers, 0, False
        self.hold = threading.Event()
        """While it is cleared, responses block."""
        self.hold.set()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                outer.hold.wait(30)
                body = json.dumps({signer.key_id: signer.certificate for signer in outer.signers}).encode()
                self.send_response(500 if outer.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "public, max-age=600")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/certs"
        self._thread = threading.Thread(target=self._server.serve_forever, name="certificates", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
