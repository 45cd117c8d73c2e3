"""Why this process can't use a file or folder, and what to change. Decides on facts that are read before.

What it proposes never changes the owner of a share: that would destroy the ACLs of the NAS.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.checks import posix_acl
from agent.checks.posix_acl import ATTRIBUTE, GROUP, NAMED_GROUP, OWNER, USER, Rule, letters

READ, WRITE, ENTER = 4, 2, 1
LIST = READ | ENTER
CHANGE = WRITE | ENTER
"""A folder's contents."""
OTHER_ACLS = {
    "system.syno_acl_self": ("a Synology ACL", "synoacltool -get"),
    "system.nfs4_acl": ("an NFSv4 ACL", "nfs4_getfacl"),
    "system.nfs4_acl_xdr": ("an NFSv4 ACL", "nfs4xdr_getfacl"),
}
"""Extended attributes of ACLs that decide instead of the mode: what they are, and what shows them."""
ALLOW = "allow it in the share's settings on the NAS"
PROTECTED = ("/home", "/root", "/run/user")
"""Without any mode where systemd's ProtectHome= hides them."""
OVERFLOW_ID = 65534
"""Stands for every id that does not exist in this user namespace."""


@dataclass(frozen=True)
class Runner:
    """Who this process is, for the kernel."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    container: bool
    all_ids: bool = True
    """Whether it sees the ids of all users, which some user namespaces hide."""

    @property
    def every_group(self) -> tuple[int, ...]:
        return tuple(sorted({self.gid, *self.groups}))

    def __str__(self) -> str:
        return f"uid {self.uid}, gid {self.gid}, groups {' '.join(map(str, self.every_group))}"


@dataclass(frozen=True)
class Entry:
    """A file or folder as `stat` shows it, with its ACL."""

    path: str
    uid: int
    gid: int
    mode: int
    acl: tuple[Rule, ...] | None = None
    other_acl: str | None = None
    """The attribute of an ACL that only its own tool can read."""


def runner() -> Runner:
    """Of this process."""
    return Runner(os.geteuid(), os.getegid(), tuple(os.getgroups()), in_container(), _sees_all_ids())


def in_container(root: Path = Path("/")) -> bool:
    """Whether Docker, Podman, containerd or Kubernetes runs this process."""
    if any((root / mark).exists() for mark in (".dockerenv", "run/.containerenv")):
        return True
    try:
        groups = (root / "proc/1/cgroup").read_text()
    except OSError:
        return False
    return any(word in groups for word in ("/docker", "kubepods", "containerd", "libpod"))


def _sees_all_ids() -> bool:
    try:
        return Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"]
    except OSError:
        return True


def entry_of(path: str) -> Entry:
    """Raises `OSError`. May hang as the NAS does."""
    facts = os.stat(path)
    attributes = _attributes(path)
    acl = None
    if ATTRIBUTE in attributes:
        try:
            acl = posix_acl.parse(os.getxattr(path, ATTRIBUTE))
        except (OSError, ValueError):
            pass
    other = next((name for name in OTHER_ACLS if name in attributes), None)
    return Entry(path, facts.st_uid, facts.st_gid, facts.st_mode, acl, other)


def _attributes(path: str) -> set[str]:
    try:
        return set(os.listxattr(path))
    except OSError:
        return set()  # a file system without them


def refusing(path: str, wanted: int) -> tuple[Entry, int]:
    """What refuses access to `path`: itself, or a folder that can't be entered; and what was wanted of that.

    Raises `OSError` for anything but a refusal.
    """
    folders = [*reversed(Path(path).parents)]
    for above, below in zip(folders, [*folders[1:], Path(path)], strict=True):
        try:
            os.stat(below)
        except PermissionError:
            return entry_of(str(above)), ENTER
    return entry_of(path), wanted


def explain(entry: Entry, wanted: int, who: Runner, *, also: str = "") -> str:
    """Completes "X can't be read: …": the owner, the mode and the ACL, who runs, and the fix. Pure.

    `also` is a fix of the caller's own, which is better than changing the ACL.
    """
    owner = f"it belongs to {entry.uid}:{entry.gid}"
    if not who.all_ids and OVERFLOW_ID in (entry.uid, entry.gid):
        owner += f" ({OVERFLOW_ID} hides the real one: `ls -ldn {entry.path}` outside shows it)"
    facts = f"{owner} with mode {stat.S_IMODE(entry.mode):04o}{_acl(entry, wanted, who)}"
    found = [fix for fix in fixes(entry, wanted, who) if not also or not fix.startswith(ALLOW)]
    return f"{facts}, and this is {who}; {' or '.join(found + [also] * bool(also))}"


def _acl(entry: Entry, wanted: int, who: Runner) -> str:
    if entry.other_acl is not None:
        what, tool = OTHER_ACLS[entry.other_acl]
        return f" and {what} (`{tool} {entry.path}` shows it)"
    if entry.acl is None:
        return ""
    decision = posix_acl.decide(entry.acl, (entry.uid, entry.gid), who.uid, who.every_group, wanted)
    rule = str(decision.rule)
    if decision.masked and decision.rule.bits & wanted == wanted:
        why = f"whose mask limits {rule} to {letters(decision.bits)}"
    else:
        why = f"where {rule} decides"
    return f" and a POSIX ACL (`getfacl {entry.path}` shows it), {why}"


def fixes(entry: Entry, wanted: int, who: Runner) -> list[str]:
    """What would help, the best first. Pure."""
    if entry.path in PROTECTED and not who.container and not stat.S_IMODE(entry.mode):
        return ["set `ProtectHome=read-only` in the unit's nas.conf (`install --with nas`)"]
    if entry.other_acl is not None:
        found = [_become(entry.uid, entry.gid, who)]
        found.append(f"{ALLOW}, for uid {who.uid}")
        return [fix for fix in found if fix]
    rules = entry.acl or posix_acl.of_mode(entry.mode)
    decision = posix_acl.decide(rules, (entry.uid, entry.gid), who.uid, who.every_group, wanted)
    if decision.bits & wanted == wanted:
        return ["find what else refuses it: SELinux (append `:z` to the volume), AppArmor or the NFS server"]
    allowed = posix_acl.allowed(rules, wanted)
    found = [fix for rule in allowed if (fix := _user_fix(rule, entry, who))]
    # The owner's rule and one that names the user decide before those of groups.
    if who.uid != entry.uid and not any(rule.tag == USER and rule.id == who.uid for rule in rules):
        found += [fix for rule in allowed if (fix := _group_fix(rule, entry, who))]
    bits = letters(wanted).replace("-", "")
    if decision.masked and decision.rule.bits & wanted == wanted:
        found.insert(0, f"widen the mask on the NAS: `setfacl -m m::{bits} {entry.path}`")
    if not found and who.uid == entry.uid:
        return [ALLOW]
    return found[:2] or [f"{ALLOW}, or with `setfacl -m u:{who.uid}:{bits} {entry.path}`"]


def _user_fix(rule: Rule, entry: Entry, who: Runner) -> str:
    if rule.tag == OWNER:
        return _become(entry.uid, entry.gid, who)
    return _become(rule.id, None, who) if rule.tag == USER else ""


def _become(uid: int, gid: int | None, who: Runner) -> str:
    """As another user. Never as root, and not under systemd, where the unit names the user."""
    if not who.container or uid in (0, who.uid) or _hidden(uid, who):
        return ""
    if gid is None or gid == 0 or _hidden(gid, who):
        return f"set PUID={uid} in the container's environment"
    return f'set PUID={uid} and PGID={gid} in the container\'s environment (or `user: "{uid}:{gid}"`)'


def _group_fix(rule: Rule, entry: Entry, who: Runner) -> str:
    gid = {GROUP: entry.gid, NAMED_GROUP: rule.id}.get(rule.tag, 0)
    if gid in (0, *who.every_group) or _hidden(gid, who):  # root's group is never joined
        return ""
    if who.container:
        return f'join its group with `group_add: ["{gid}"]`'
    return f"join its group with `SupplementaryGroups={gid}` in the unit's nas.conf (`install --with nas`)"


def _hidden(id: int, who: Runner) -> bool:
    return id == OVERFLOW_ID and not who.all_ids


def described(entry: Entry, wanted: int) -> str:
    """Such as `/recordings/2024 can't be listed`. Pure."""
    folder = stat.S_ISDIR(entry.mode)
    verbs: Sequence[tuple[int, str]] = [
        (CHANGE, "written to") if folder else (WRITE, "written"),
        (READ, "listed") if folder else (READ, "read"),
        (ENTER, "entered"),
    ]
    verb = next(verb for bits, verb in verbs if wanted & bits == bits)
    return f"{entry.path} can't be {verb}"


def refusal(path: str, wanted: int, who: Runner) -> str:
    """The whole sentence about a path that was refused. Raises `OSError` when it isn't any more."""
    entry, needed = refusing(path, wanted)
    return f"{described(entry, needed)}: {explain(entry, needed, who)}"
