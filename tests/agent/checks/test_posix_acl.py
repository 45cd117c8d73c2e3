"""POSIX ACLs: the attribute's format, and the algorithm compared with the kernel's."""

from __future__ import annotations

import itertools
import os
import struct
from pathlib import Path

import pytest

from agent.checks.posix_acl import (
    ATTRIBUTE,
    GROUP,
    MASK,
    NAMED_GROUP,
    OTHER,
    OWNER,
    USER,
    Rule,
    allowed,
    decide,
    of_mode,
    parse,
)
from tests.support.users import as_user, set_acl

ALL = 0xFFFFFFFF
RULES = (
    Rule(OWNER, 6),
    Rule(USER, 5, 1000),
    Rule(GROUP, 4),
    Rule(NAMED_GROUP, 7, 100),
    Rule(MASK, 4),
    Rule(OTHER, 0),
)


def test_the_attribute_is_parsed() -> None:
    raw = struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", rule.tag, rule.bits, ALL if rule.id < 0 else rule.id) for rule in RULES
    )
    assert [str(rule) for rule in parse(raw)] == [
        "user::rw-",
        "user:1000:r-x",
        "group::r--",
        "group:100:rwx",
        "mask::r--",
        "other::---",
    ]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\2\0\0\0",
        b"\1\0\0\0" + struct.pack("<HHIHHIHHI", OWNER, 6, ALL, GROUP, 4, ALL, OTHER, 0, ALL),
        b"\2\0\0\0" + struct.pack("<HHIHHI", OWNER, 6, ALL, GROUP, 4, ALL),
        b"\2\0\0\0" + struct.pack("<HHIHHIHHI", OWNER, 6, ALL, GROUP, 4, ALL, OTHER, 0, ALL)[:-1],
        b"\2\0\0\0" + struct.pack("<HHIHHIHHI", OWNER, 6, ALL, 3, 4, ALL, OTHER, 0, ALL),
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a POSIX ACL"):
        parse(raw)


def test_who_is_allowed() -> None:
    assert [str(rule) for rule in allowed(RULES, 4)] == [
        "user::rw-",
        "user:1000:r-x",
        "group::r--",
        "group:100:rwx",
    ]
    assert allowed(RULES, 5) == []
    assert [str(rule) for rule in allowed(of_mode(0o750), 5)] == ["user::rwx", "group::r-x"]


def test_it_decides_as_the_kernel_does(shared: Path) -> None:
    """Every user of interest, for ACLs with and without a mask that limits them."""
    users = list(
        itertools.product(
            (1000, 1001, 1026),
            ((5,), (5, 100), (5, 100, 200)),
        )
    )
    for number, (named, group, mask, other) in enumerate(itertools.product((0, 4), (0, 4), (0, 4), (0, 4))):
        rules = (
            Rule(OWNER, 6),
            Rule(USER, named, 1000),
            Rule(GROUP, 0),
            Rule(NAMED_GROUP, group, 100),
            Rule(NAMED_GROUP, 4, 200),
            Rule(MASK, mask),
            Rule(OTHER, other),
        )
        file = shared / f"file-{number}"
        file.write_bytes(b"x")
        set_acl(file, rules, owner=(1026, 100))
        assert parse(os.getxattr(file, ATTRIBUTE)) == tuple(
            Rule(rule.tag, rule.bits, ALL if rule.id < 0 else rule.id) for rule in rules
        )
    files = sorted(shared.iterdir())
    for uid, groups in users:
        seen = as_user(uid, groups, lambda: [os.access(file, os.R_OK) for file in files])
        expected = [
            decide(parse(os.getxattr(file, ATTRIBUTE)), (1026, 100), uid, groups, 4).bits & 4 == 4
            for file in files
        ]
        assert seen == expected, (uid, groups)
