"""Keys, roles, and the service without keys."""

from __future__ import annotations

import hashlib

import pytest

from api.auth.callers import Authenticator, Caller, Knock
from clipping.clock import ManualClock
from clipping.config import Api, ApiKey
from clipping.errors import Forbidden, Unauthorized


def key(name: str, role: str, secret: str) -> ApiKey:
    digest = hashlib.sha256(secret.encode()).hexdigest()
    return ApiKey.model_validate({"name": name, "role": role, "sha256": digest})


def identify(
    api: Api,
    *,
    authorization: str = "",
    host: str = "localhost",
    origin: str | None = None,
    method: str = "POST",
    address: str = "127.0.0.1",
) -> Caller:
    knock = Knock(authorization=authorization, host=host, origin=origin, method=method, address=address)
    return Authenticator(api, ManualClock()).identify(knock)


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


def test_the_hash_is_not_accepted_as_a_key() -> None:
    with pytest.raises(Unauthorized):
        identify(KEYED, authorization=f"Bearer {KEYED.keys[0].sha256}", host="localhost")


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1", "clips.local:8000"]
)
def test_without_keys_this_machine_is_served(host: str) -> None:
    assert identify(OPEN, host=host) == Caller("local", "admin", "local")


@pytest.mark.parametrize("host", ["evil.example:8000", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"])
def test_without_keys_a_foreign_name_is_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        identify(OPEN, host=host)


def test_without_keys_another_machine_is_refused() -> None:
    with pytest.raises(Forbidden):
        identify(OPEN, address="10.0.0.1")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://localhost.evil.example"])
def test_without_keys_a_foreign_page_changes_nothing(origin: str) -> None:
    with pytest.raises(Forbidden):
        identify(OPEN, origin=origin)


@pytest.mark.parametrize(
    "origin", ["http://127.0.0.1:8000", "http://localhost:3000", "http://clips.local:8000"]
)
def test_without_keys_a_page_of_our_own_may(origin: str) -> None:
    assert identify(OPEN, origin=origin).name == "local"


def test_a_name_may_have_several_valid_keys() -> None:
    api = Api(keys=[key("web", "client", "old"), key("web", "client", "new")])
    for secret in ("old", "new"):
        assert identify(api, authorization=f"Bearer {secret}") == Caller("web", "client")


def test_clients_see_their_own_and_admins_all() -> None:
    assert Caller("web", "client").may_see("web")
    assert not Caller("web", "client").may_see("other")
    assert Caller("ops", "admin").may_see("web")
