"""Other users than the one who runs the tests, in child processes, and files that belong to them."""

from __future__ import annotations

import errno
import os
import pickle
import struct
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from agent.checks.posix_acl import ATTRIBUTE, Rule

T = TypeVar("T")
_UNUSED = 0xFFFFFFFF


def need_root() -> None:
    """Skip where no other user can be had."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become other users and to give files to them")


def as_user(uid: int, groups: Sequence[int], work: Callable[[], T]) -> T:
    """What `work` returns or raises in a forked child that has become the user; the first group is its own.

    `work` must not need what only root can read, such as modules that are not imported yet.
    """
    need_root()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads. Those that other tests left hold no lock that is needed.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.setgroups(list(groups[1:]))
            os.setresgid(groups[0], groups[0], groups[0])
            os.setresuid(uid, uid, uid)
            result: tuple[bool, object] = (True, work())
        except BaseException as error:  # noqa: BLE001 - raised in the parent
            result = (False, error)
        with open(writer, "wb") as pipe:
            pickle.dump(result, pipe)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        good, found = pickle.load(pipe)
    os.waitpid(child, 0)
    if not good:
        raise found
    return found  # type: ignore[no-any-return]


def give(path: Path, uid: int, gid: int, mode: int) -> None:
    """Make the file or folder this user's."""
    need_root()
    os.chown(path, uid, gid)
    path.chmod(mode)


def set_acl(path: Path, rules: Sequence[Rule], *, owner: tuple[int, int]) -> None:
    """As `chown` and `setfacl`. Skips where the file system has no ACLs."""
    need_root()
    os.chown(path, *owner)
    raw = struct.pack("<I", 2)
    for rule in rules:
        raw += struct.pack("<HHI", rule.tag, rule.bits, _UNUSED if rule.id < 0 else rule.id)
    try:
        os.setxattr(path, ATTRIBUTE, raw)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        pytest.skip(f"the file system of {path} has no ACLs")
