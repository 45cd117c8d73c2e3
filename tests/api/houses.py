"""A service whose callers have clips, reels and recordings, in places of their own or in a shared one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clipping.store.layout import upload_folder
from clipping.store.port import Store
from tests.api.owned import Service, service
from tests.support.gcs import FakeGcs, ServiceAccount
from tests.support.oidc import CertificateServer, Signer
from tests.support.seaweed import Seaweed

MAIL = "cleo@example.com"
AUDIENCE = "https://clips.example.com"
OWNERS = ("ada", "bob", MAIL)
"""Those with a place of their own. `eve`, `ADA` and the administrator `ops` share one."""
PREFIXES = {"ada": "ada/", "bob": "bob/", MAIL: "mail/cleo/"}
SHARED_ROOT = "/nas"
"""Of all callers. Each has one for itself, too."""
PREVIEW_SECRET = "a-secret-of-the-API-and-the-agents"
UNKNOWN = {"clip": "clip-20261120-zzzzzzzzzzzz", "reel": "reel-20261120-zzzzzzzzzzzz"}


@dataclass
class Houses:
    """A service, and what each caller has there."""

    at: Service
    clips: dict[str, str]
    reels: dict[str, str]
    recordings: dict[str, str]
    """The URI of an object of each caller that it may cut from."""
    cursors: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for owner in self.clips:
            answer = self.at.call(owner, "GET", "/v1/clips?limit=1")
            self.cursors[owner] = answer.get_json()["next_cursor"]

    def of(self, kind: str, owner: str | None) -> str:
        if owner is None:
            return UNKNOWN[kind]
        return (self.clips if kind == "clip" else self.reels)[owner]


def root_of(caller: str) -> str:
    """The folder on the NAS that only this caller, and administrators, may cut from."""
    return f"/nas-{caller}"


def put_recording(store: Store, folder: Path, owner: str) -> str:
    """Something to cut from: an upload."""
    key = f"{upload_folder(owner)}upload-1/night.mp4"
    source = folder / f"recording-{secrets.token_hex(4)}"
    source.write_bytes(b"recording")
    store.create(key, source, content_type="video/mp4", metadata={})
    return store.uri(key)


@contextmanager
def houses_in(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Houses]:
    """With a store of this kind. `request`: of a fixture that may use others."""
    signer = Signer("key-1", audience=AUDIENCE, email=MAIL)
    owners: dict[str, dict[str, Any]] = {name: {"prefix": PREFIXES[name]} for name in OWNERS}
    storage: dict[str, Any] = {}
    with ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        if backend == "gcs":
            server = stack.enter_context(FakeGcs())
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
            for name in (*OWNERS, "all"):
                (tmp_path / name).mkdir()
                account = ServiceAccount(tmp_path / name, email=f"{name.split('@')[0]}@x.gserviceaccount.com")
                if name == "all":
                    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.key_file))
                else:
                    owners[name]["credentials"] = str(account.key_file)
            storage = {"backend": "gcs", "bucket": server.bucket(), "path": None}
        if backend == "s3":
            seaweed: Seaweed = request.getfixturevalue("seaweed")
            seaweed.empty(seaweed.customers())
            for name in ("ada", "bob"):
                path = tmp_path / f"{name}.key"
                path.write_text(seaweed.key_of(name))
                owners[name]["credentials"] = str(path)
            storage = {"backend": "s3", "bucket": seaweed.customers(), "endpoint": seaweed.url}
            storage |= {"credentials": str(seaweed.credentials), "path": None}
        certificates = stack.enter_context(CertificateServer([signer]))
        oidc = {"audience": AUDIENCE, "accounts": {MAIL: "client"}, "certs_url": certificates.url}
        callers = (*OWNERS, "eve")
        roots = {caller: [SHARED_ROOT, root_of(caller)] for caller in callers}
        over: dict[str, Any] = {
            "api": {"oidc": {**oidc, "roots": {MAIL: roots.pop(MAIL)}}},
            "preview": {"key": f"{tmp_path}/p.key"},
        }
        over["sources"] = [{"prefix": "s3://for-ada/", "owners": ["ada"]}]
        over["agent"] = {"nas_roots": [{"path": root} for root in (SHARED_ROOT, *map(root_of, callers))]}
        (tmp_path / "p.key").write_text(PREVIEW_SECRET)
        at = stack.enter_context(
            service(
                tmp_path,
                owners,
                over=over,
                roots=roots,
                **storage,
            )
        )
        at.tokens[MAIL] = signer.token()
        at.parts.committer.start()
        stack.callback(at.parts.committer.stop, 10)
        at.parts.events.start()
        stack.callback(at.parts.events.stop, 10)
        yield Houses(
            at,
            clips={owner: at.completed(owner) for owner in callers},
            reels={owner: at.completed(owner, reel=True) for owner in callers},
            recordings={owner: put_recording(at.stores.of(owner), tmp_path, owner) for owner in callers},
        )
