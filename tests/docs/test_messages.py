"""docs/reference/messages.md names every field of the messages, and the objects as the code does."""

from __future__ import annotations

import re

import pytest

from clipping.bus.topology import topology
from clipping.config import Config
from clipping.contract import cluster
from clipping.contract.checkpoint import Checkpoint, StoredCheckpoint, checkpoint_key
from clipping.contract.messages import ClipRequest, CompletionMessage, ProgressMessage, RequestMessage
from tests.docs.tables import DOCS

TEXT = (DOCS / "reference" / "messages.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("message", [RequestMessage, CompletionMessage, ProgressMessage])
def test_every_field_is_listed(message: type[RequestMessage | CompletionMessage | ProgressMessage]) -> None:
    section = re.search(rf"^## {message.__name__}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    assert section is not None
    listed = {name for row in re.findall(r"^\| (`.*?) \|", section[1], re.M) for name in row.split("`")[1::2]}
    inherited = set(ClipRequest.model_fields) if message is RequestMessage else set()
    fields = {field.alias or name for name, field in message.model_fields.items() if name not in inherited}
    assert listed == fields


def test_every_field_of_a_checkpoint_is_listed() -> None:
    section = re.search(r"^## checkpoint.json\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    assert section is not None
    listed = {name for row in re.findall(r"^\| (`.*?) \|", section[1], re.M) for name in row.split("`")[1::2]}
    fields = StoredCheckpoint.model_fields.keys() - Checkpoint.model_fields.keys()
    assert listed == fields
    row = re.search(r"^\| `checkpoint` \|.*$", TEXT, re.M)
    assert row is not None
    assert all(f"`{name}`" in row[0] for name in Checkpoint.model_fields)


def test_topics_and_subscriptions_are_those_of_the_code() -> None:
    planned = topology(Config())
    for topic in planned.topics:
        assert f"`{topic}`" in TEXT
    for subscription in planned.subscriptions[:2]:
        assert f"`{subscription.name}`" in TEXT


def test_objects_are_named_as_in_the_code() -> None:
    for key in (
        cluster.lease_key("{cluster}"),
        cluster.intent_key("{cluster}"),
        cluster.agent_key("{cluster}", "{agent_id}"),
        cluster.signing_key("{cluster}", "{agent_id}"),
        cluster.cancel_key("{request_id}"),
        checkpoint_key("{request_id}"),
    ):
        assert f"`{key}`" in TEXT
