"""POSIX ACLs: the extended attribute `system.posix_acl_access`, and whom it lets do what. Pure.

The format is that of linux/posix_acl_xattr.h, the algorithm that of acl(5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ATTRIBUTE = "system.posix_acl_access"
_HEAD, _ENTRY, _VERSION = struct.Struct("<I"), struct.Struct("<HHI"), 2
OWNER, USER, GROUP, NAMED_GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NAMES = {OWNER: "user:", USER: "user", GROUP: "group:", NAMED_GROUP: "group", MASK: "mask:", OTHER: "other:"}


@dataclass(frozen=True)
class Rule:
    """An entry of an ACL. `bits` are 4 for reading, 2 for writing, 1 for executing or entering."""

    tag: int
    bits: int
    id: int = -1
    """Of a named user or group."""

    def __str__(self) -> str:
        """As getfacl prints it."""
        name = f":{self.id}" if self.tag in (USER, NAMED_GROUP) else ""
        return f"{_NAMES[self.tag]}{name}:{letters(self.bits)}"


@dataclass(frozen=True)
class Decision:
    """The rule that decides about an access, and what is left of it."""

    rule: Rule
    bits: int

    @property
    def masked(self) -> bool:
        """Whether the mask takes something away."""
        return self.bits != self.rule.bits


def letters(bits: int) -> str:
    """Such as `r-x`."""
    return "".join(letter if bits & bit else "-" for letter, bit in zip("rwx", (4, 2, 1), strict=True))


def parse(raw: bytes) -> tuple[Rule, ...]:
    """The rules of an attribute. Raises `ValueError` for anything else."""
    try:
        (version,) = _HEAD.unpack_from(raw)
        entries = [Rule(*entry) for entry in _ENTRY.iter_unpack(raw[_HEAD.size :])]
    except struct.error:
        raise ValueError("not a POSIX ACL") from None
    tags = {rule.tag for rule in entries}
    if version != _VERSION or not {OWNER, GROUP, OTHER} <= tags <= set(_NAMES):
        raise ValueError(f"not a POSIX ACL of version {_VERSION}")
    return tuple(entries)


def of_mode(mode: int) -> tuple[Rule, ...]:
    """The rules of a file without an ACL."""
    return Rule(OWNER, mode >> 6 & 7), Rule(GROUP, mode >> 3 & 7), Rule(OTHER, mode & 7)


def decide(
    rules: Sequence[Rule], owner: tuple[int, int], uid: int, groups: Sequence[int], wanted: int
) -> Decision:
    """What a user may do to a file of `owner` (its uid and gid)."""
    effective = dict(_effective(rules))
    named = [rule for rule in effective if rule.tag == USER and rule.id == uid]
    member = [
        rule
        for rule in effective
        if (rule.tag == GROUP and owner[1] in groups) or (rule.tag == NAMED_GROUP and rule.id in groups)
    ]
    other = [rule for rule in effective if rule.tag == OTHER and rule.bits & wanted == wanted]
    if uid == owner[0]:
        candidates = [rule for rule in effective if rule.tag == OWNER]
    elif other and owner[1] not in groups and any(rule.tag == MASK and not rule.bits for rule in rules):
        candidates = other  # Linux ignores the named rules of an ACL whose mask is empty
    else:
        candidates = named or member or [rule for rule in effective if rule.tag == OTHER]
    best = max(
        candidates, key=lambda rule: (effective[rule] & wanted == wanted, rule.bits & wanted == wanted)
    )
    return Decision(best, effective[best])


def allowed(rules: Sequence[Rule], wanted: int) -> list[Rule]:
    """The rules that let a user or a group do it."""
    return [
        rule
        for rule, bits in _effective(rules)
        if bits & wanted == wanted and rule.tag in (OWNER, USER, GROUP, NAMED_GROUP)
    ]


def _effective(rules: Sequence[Rule]) -> Iterator[tuple[Rule, int]]:
    mask = next((rule.bits for rule in rules if rule.tag == MASK), 7)
    for rule in rules:
        if rule.tag != MASK:
            yield rule, rule.bits & (mask if rule.tag in (USER, GROUP, NAMED_GROUP) else 7)
