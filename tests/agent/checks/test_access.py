"""What the doctor says about a file or folder that its user can't use."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agent.checks.access import (
    ALLOW,
    CHANGE,
    ENTER,
    LIST,
    READ,
    Entry,
    Runner,
    described,
    explain,
    fixes,
    in_container,
    refusal,
    refusing,
)
from agent.checks.posix_acl import GROUP, MASK, NAMED_GROUP, OTHER, OWNER, USER, Rule
from tests.support.users import as_user, give, set_acl

DOCKER = Runner(1000, 1000, (44,), container=True)
SYSTEMD = Runner(998, 998, (), container=False)


def folder(uid: int, gid: int, mode: int, **acl: object) -> Entry:
    return Entry("/recordings", uid, gid, stat.S_IFDIR | mode, **acl)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "who", "expected"),
    [
        (
            folder(1026, 100, 0o750),
            DOCKER,
            [
                'set PUID=1026 and PGID=100 in the container\'s environment (or `user: "1026:100"`)',
                'join its group with `group_add: ["100"]`',
            ],
        ),
        (
            folder(1026, 100, 0o700),
            DOCKER,
            ['set PUID=1026 and PGID=100 in the container\'s environment (or `user: "1026:100"`)'],
        ),
        (folder(0, 568, 0o750), DOCKER, ['join its group with `group_add: ["568"]`']),
        (
            folder(1026, 0, 0o750),
            DOCKER,
            ["set PUID=1026 in the container's environment"],
        ),
        (
            folder(0, 0, 0o700),
            DOCKER,
            [f"{ALLOW}, or with `setfacl -m u:1000:rx /recordings`"],
        ),
        (folder(1000, 1000, 0o070), DOCKER, [ALLOW]),
        (
            folder(1026, 100, 0o750),
            SYSTEMD,
            ["join its group with `SupplementaryGroups=100` in the unit's nas.conf (`install --with nas`)"],
        ),
        (
            folder(1026, 100, 0o700),
            SYSTEMD,
            [f"{ALLOW}, or with `setfacl -m u:998:rx /recordings`"],
        ),
        (
            folder(1026, 100, 0o750),
            Runner(0, 0, (), container=True),
            [
                'set PUID=1026 and PGID=100 in the container\'s environment (or `user: "1026:100"`)',
                'join its group with `group_add: ["100"]`',
            ],
        ),
        (
            Entry("/home", 0, 0, stat.S_IFDIR),
            SYSTEMD,
            ["set `ProtectHome=read-only` in the unit's nas.conf (`install --with nas`)"],
        ),
        (
            folder(0, 0, 0o755),
            DOCKER,
            ["find what else refuses it: SELinux (append `:z` to the volume), AppArmor or the NFS server"],
        ),
        (
            folder(0, 0, 0o000, other_acl="system.syno_acl_self"),
            DOCKER,
            [f"{ALLOW}, for uid 1000"],
        ),
        (
            folder(1026, 100, 0o000, other_acl="system.nfs4_acl_xdr"),
            DOCKER,
            [
                'set PUID=1026 and PGID=100 in the container\'s environment (or `user: "1026:100"`)',
                f"{ALLOW}, for uid 1000",
            ],
        ),
    ],
)
def test_the_fix(entry: Entry, who: Runner, expected: list[str]) -> None:
    assert fixes(entry, LIST, who) == expected


def acl(user: int, group: int, mask: int) -> tuple[Rule, ...]:
    """Of a root's folder that names uid 1000 and group 100."""
    return (
        Rule(OWNER, 7),
        Rule(USER, user, 1000),
        Rule(GROUP, 0),
        Rule(NAMED_GROUP, group, 100),
        Rule(MASK, mask),
        Rule(OTHER, 0),
    )


def test_the_mask_of_an_acl_is_widened() -> None:
    entry = folder(0, 0, 0o740, acl=acl(5, 0, 4))
    assert fixes(entry, LIST, DOCKER) == ["widen the mask on the NAS: `setfacl -m m::rx /recordings`"]
    assert "`getfacl /recordings` shows it), whose mask limits user:1000:r-x to r--" in explain(
        entry, LIST, DOCKER
    )


def test_a_rule_that_names_the_user_goes_before_its_groups() -> None:
    entry = folder(0, 0, 0o770, acl=acl(0, 5, 5))
    assert "where user:1000:--- decides" in explain(entry, LIST, DOCKER)
    assert fixes(entry, LIST, DOCKER) == [f"{ALLOW}, or with `setfacl -m u:1000:rx /recordings`"]
    another = Runner(1001, 1001, (), container=True)
    assert fixes(entry, LIST, another) == ['join its group with `group_add: ["100"]`']


def test_ids_that_a_user_namespace_hides_are_not_proposed() -> None:
    hidden = Runner(1000, 1000, (), container=True, all_ids=False)
    entry = folder(65534, 65534, 0o750)
    assert fixes(entry, LIST, hidden) == [f"{ALLOW}, or with `setfacl -m u:1000:rx /recordings`"]
    assert "65534 hides the real one: `ls -ldn /recordings` outside shows it" in explain(entry, LIST, hidden)


def test_nothing_proposes_to_change_an_owner() -> None:
    for uid in (0, 1000, 1026):
        for mode in range(0o1000):
            for who in (DOCKER, SYSTEMD):
                fix = explain(folder(uid, 100, mode), LIST, who)
                assert "chown" not in fix
                assert "chmod" not in fix


def test_what_is_refused() -> None:
    assert described(folder(0, 0, 0), LIST) == "/recordings can't be listed"
    assert described(folder(0, 0, 0), ENTER) == "/recordings can't be entered"
    assert described(folder(0, 0, 0), CHANGE) == "/recordings can't be written to"
    assert described(Entry("/a", 0, 0, stat.S_IFREG), READ) == "/a can't be read"


def test_the_folder_that_refuses_is_named(shared: Path) -> None:
    (shared / "a" / "b").mkdir(parents=True)
    give(shared / "a", 1026, 100, 0o750)
    entry, wanted = as_user(1000, [1000], lambda: refusing(str(shared / "a" / "b"), LIST))
    assert (entry.path, entry.uid, entry.gid, wanted) == (str(shared / "a"), 1026, 100, ENTER)
    sentence = as_user(1000, [1000, 44], lambda: refusal(str(shared / "a" / "b"), LIST, DOCKER))
    assert sentence == (
        f"{shared}/a can't be entered: it belongs to 1026:100 with mode 0750, "
        "and this is uid 1000, gid 1000, groups 44 1000; "
        "set PUID=1026 and PGID=100 in the container's environment "
        '(or `user: "1026:100"`) or join its group with `group_add: ["100"]`'
    )


def test_an_acl_is_read_from_the_file(shared: Path) -> None:
    file = shared / "night.mp4"
    file.write_bytes(b"video")
    set_acl(file, acl(4, 0, 0), owner=(0, 0))
    sentence = as_user(1000, [1000], lambda: refusal(str(file), READ, DOCKER))
    assert "whose mask limits user:1000:r-- to ---" in sentence
    assert sentence.endswith(f"widen the mask on the NAS: `setfacl -m m::r {file}`")


@pytest.mark.parametrize(
    ("mark", "text", "expected"),
    [
        (".dockerenv", "", True),
        ("run/.containerenv", "", True),
        ("proc/1/cgroup", "0::/docker/0123", True),
        ("proc/1/cgroup", "0::/kubepods.slice/x", True),
        ("proc/1/cgroup", "0::/init.scope", False),
        ("etc/hostname", "", False),
    ],
)
def test_a_container_is_recognised(tmp_path: Path, mark: str, text: str, expected: bool) -> None:
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).write_text(text)
    assert in_container(tmp_path) is expected
