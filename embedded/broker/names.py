"""Names of projects, topics and subscriptions, by Google's rules."""

from __future__ import annotations

import re

from embedded.broker.refusals import InvalidArgument

DELETED_TOPIC = "_deleted-topic_"
"""A subscription's topic once it is deleted, as spelled by Google."""

_PROJECT = r"[a-z0-9][a-z0-9.:-]{0,127}"
_RESOURCE = r"(?!goog)[A-Za-z][A-Za-z0-9._~+%-]{2,254}"
_project = re.compile(rf"projects/{_PROJECT}")
_topic = re.compile(rf"projects/{_PROJECT}/topics/{_RESOURCE}")
_subscription = re.compile(rf"projects/{_PROJECT}/subscriptions/{_RESOURCE}")


def check_project(name: str) -> None:
    """Reject names other than `projects/{project}`."""
    if not _project.fullmatch(name):
        raise InvalidArgument(f"Invalid project name: {name!r}; expected projects/PROJECT.")


def check_topic(name: str) -> None:
    """Reject names other than `projects/{project}/topics/{topic}` with a valid topic id."""
    if not _topic.fullmatch(name):
        raise InvalidArgument(f"Invalid topic name: {name!r}; {_rule('topics/TOPIC')}")


def check_subscription(name: str) -> None:
    """Reject names other than `projects/{project}/subscriptions/{subscription}` with a valid subscription
    id."""
    if not _subscription.fullmatch(name):
        raise InvalidArgument(f"Invalid subscription name: {name!r}; {_rule('subscriptions/SUBSCRIPTION')}")


def project_id(name: str) -> str:
    """The project's id in any resource's name."""
    return name.split("/", 2)[1]


def _rule(tail: str) -> str:
    return (
        f"expected projects/PROJECT/{tail}, where the id has 3 to 255 characters, starts with a letter "
        'and not with "goog", and contains only letters, digits and -._~+%.'
    )
