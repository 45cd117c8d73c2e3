"""Keys, roles, and the service without keys."""

from __future__ import annotations

import hashlib

import pytest

from api.auth import Caller, identify
from clipping.config import Api, ApiKey
from clipping.errors import Forbidden, Unauthorized


def key(name: str, role: str, secret: str) -> ApiKey:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return ApiKey.model_validate({"name": name, "role": role, "sha256": digest})


KEYED = Api(keys=[key("web", "client", "s3cret"), key("ops", "admin", "schlüssel")])
OPEN = Api(public_url="http://clips.local:8000")


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        ("Bearer s3cret", Caller("web", "client")),
        ("bearer  s3cret ", Caller("web", "client")),
        # Header bytes arrive as Latin-1.
        ("Bearer " + "schlüssel".encode().decode("latin-1"), Caller("ops", "admin")),
    ],
)
def test_a_known_key_names_its_caller(authorization: str, expected: Caller) -> None:
    assert identify(KEYED, authorization=authorization, host="anything") == expected


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic s3cret", "s3cret", "Bearer s3cre", "Bearer s3cret x", "Bearer \xff\xfe"],
)
def test_anything_else_is_refused(authorization: str) -> None:
    with pytest.raises(Unauthorized):
        identify(KEYED, authorization=authorization, host="localhost")


def test_the_hash_is_no_key() -> None:
    with pytest.raises(Unauthorized):
        identify(KEYED, authorization=f"Bearer {KEYED.keys[0].sha256}", host="localhost")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1", "clips.local:8000"]
)
def test_without_keys_this_machine_is_served(host: str) -> None:
    assert identify(OPEN, authorization="", host=host).name == "local"


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_without_keys_a_foreign_name_is_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        identify(OPEN, authorization="", host=host)


def test_clients_see_their_own_and_admins_all() -> None:
    assert Caller("web", "client").may_see("web")
    assert not Caller("web", "client").may_see("other")
    assert Caller("ops", "admin").may_see("web")
