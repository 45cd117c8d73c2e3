"""Google's token service and IAM over HTTPS, behind a proxy that impersonates Google.

`environment()` redirects an agent's calls to `*.googleapis.com`. The certificate authority is generated; the
responses are those of `iam.py`.
"""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.gcs import ServiceAccount
from tests.support.iam import LocalIam

_LOCAL = "127.0.0.1,localhost"
_STOP_SECONDS = 10.0


class IamServer:
    """Starts on construction. A context manager. `iam.allowed = False` revokes the permission to sign."""

    def __init__(self, folder: Path, account: ServiceAccount) -> None:
        self.iam = LocalIam(account)
        self.signatures = 0
        """Number of signBlob calls."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*_certificate(folder))
        server = self

        class Handler(_Handler):
            def secure(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                self.setup()

            def answer(self, body: bytes) -> tuple[int, bytes]:
                server.signatures += self.path.endswith(":signBlob")
                answer = server.iam(f"https://google{self.path}", self.command, body, dict(self.headers))
                return int(answer.status), bytes(answer.data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="iam", daemon=True)
        self._thread.start()
        self._credentials(account)

    def environment(self) -> dict[str, str]:
        """The environment for an agent that signs through IAM, without a key file."""
        return {
            "GOOGLE_APPLICATION_CREDENTIALS": str(self._folder / "federated.json"),
            "HTTPS_PROXY": f"http://127.0.0.1:{self._server.server_address[1]}",
            "REQUESTS_CA_BUNDLE": str(self._folder / "authority.pem"),
            "NO_PROXY": _LOCAL,
            "no_proxy": _LOCAL,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_STOP_SECONDS)

    def _credentials(self, account: ServiceAccount) -> None:
        """Workload identity federation: an external token is exchanged for the account's."""
        (self._folder / "token").write_text("external token")
        base = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
        federated = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/a-pool-of-this-test",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url": f"{base}/{account.email}:generateAccessToken",
            "credential_source": {"file": str(self._folder / "token")},
        }
        (self._folder / "federated.json").write_text(json.dumps(federated))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def secure(self) -> None:
        """Switch the connection to TLS."""
        raise NotImplementedError

    def answer(self, body: bytes) -> tuple[int, bytes]:
        """The status and the JSON body of the response."""
        raise NotImplementedError

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server closes only the plain socket

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.secure()
        self.close_connection = False

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, data = self.answer(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Create a certificate authority, and a certificate for Google's names. Returns the certificate and its
    key."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of this test")])
    authority = (
        _builder(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "googleapis.com")])
    names = x509.SubjectAlternativeName([x509.DNSName("*.googleapis.com")])
    leaf = (
        _builder(subject, issuer, key.public_key())
        .add_extension(names, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(encoding))
    certificate, private = folder / "google.pem", folder / "google.key"
    certificate.write_bytes(leaf.public_bytes(encoding))
    plain = serialization.NoEncryption()
    private.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
    return certificate, private


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
