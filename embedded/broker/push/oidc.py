"""Signs the OIDC tokens of push requests with a key in the data folder.

Tokens have the same claims as Google's, including the issuer, so that receivers verify them with the same
code. Only the source of the certificates differs (`certs_url`, served by `certificates.py`)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt

from clipping.clock import Clock

ISSUER = "https://accounts.google.com"
KEY_FILE = "push-signing-key.pem"
CERTIFICATE_FILE = "push-signing-certificate.pem"

_TOKEN_SECONDS = 3600
_RENEW_SECONDS = 1800
"""A token is reused for half its lifetime: the receiver's clock may be off, and a retry may be late."""
_CERTIFICATE_DAYS = 3650
_MAX_TOKENS = 1000


class TokenSigner:
    """Signs and caches tokens. Thread-safe: two threads may sign the same token, which is harmless."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        key, certificate = _load_or_create(folder, clock.now())
        self._clock = clock
        self._tokens: dict[tuple[str, str], tuple[str, float]] = {}
        fingerprint = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
        self._key_id = fingerprint.hex()[:40]
        self._signer: Any = crypt.RSASigner.from_string(key, key_id=self._key_id)
        self.certificates = {self._key_id: certificate.decode()}
        """Key id to PEM certificate, as google.auth fetches them."""

    def token(self, email: str, audience: str) -> str:
        """A JWT (RS256) for a service account's email and an audience, valid for at least half an hour."""
        now = self._clock.now().timestamp()
        token, issued = self._tokens.get((email, audience), ("", 0.0))
        if not token or not issued <= now < issued + _RENEW_SECONDS:
            if len(self._tokens) >= _MAX_TOKENS:
                self._tokens.clear()
            token = self._sign(email, audience, int(now))
            self._tokens[email, audience] = token, now
        return token

    def _sign(self, email: str, audience: str, now: int) -> str:
        claims = {
            "iss": ISSUER,
            "aud": audience,
            "azp": email,
            "sub": email,
            "email": email,
            "email_verified": True,
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
        }
        encoded: bytes = jwt.encode(self._signer, claims)
        return encoded.decode()


def _load_or_create(folder: Path, now: datetime) -> tuple[bytes, bytes]:
    key_path, certificate_path = folder / KEY_FILE, folder / CERTIFICATE_FILE
    if key_path.exists() and certificate_path.exists():
        return key_path.read_bytes(), certificate_path.read_bytes()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "embedded-broker")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now.astimezone(UTC) - timedelta(days=1))
        .not_valid_after(now.astimezone(UTC) + timedelta(days=_CERTIFICATE_DAYS))
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
    # The certificate last: after a crash in between, both are created again.
    _write(key_path, key_pem, 0o600)
    _write(certificate_path, certificate_pem, 0o644)
    return key_pem, certificate_pem


def _write(path: Path, data: bytes, mode: int) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
