#!/app/bin/python -IS
"""The entrypoint of the images: runs a command as the user in PUID and PGID instead of as root.

    as-user COMMAND [ARGUMENT...]

Started as root it prepares the volume and the render nodes, joins the groups of the nodes, and becomes the
user. Started as another user (`user:` in a compose file, `docker run --user`) it only runs the command. It
never changes the owner or mode of anything but its own volume, and render nodes that exist in this container
alone: on a share that would destroy the ACLs. Depends only on Python's standard library.
"""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # The kernel discards signals that the first process of a container does not handle: a stop in this moment
    # would wait for the whole grace period. Before the other imports, which take most of the time.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

EXIT_CONFIGURATION = 78
EXIT_NOT_FOUND = 127
DEFAULT_ID = 1000
MAX_ID = 2**32 - 2
"""-1 means "unchanged" to the kernel."""
MARKER = ".clipping-volume"
"""In a volume that this script prepared: only there may it change owners when PUID changes."""
CAPABILITIES = {"SETUID": 7, "SETGID": 6, "CHOWN": 0}
"""What becoming another user needs, each with its bit in the kernel's sets."""
DEVICES = Path("/dev")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PROGRAMS = "/app/bin"
INIT = ("tini", "--")


class Refused(Exception):
    """The container can't run as configured. The message states the cause and the fix."""


@dataclass(frozen=True)
class User:
    """Whom to run the command as."""

    uid: int
    gid: int
    named: bool
    """Whether PUID or PGID named them."""


@dataclass(frozen=True)
class Node:
    """A device file of a GPU."""

    path: Path
    uid: int
    gid: int
    mode: int
    own: bool
    """Whether it exists in this container alone, so that changing its mode changes nothing on the host."""


def main(argv: Sequence[str]) -> NoReturn:
    """Run the command. Exit codes: those of the command, 78 invalid environment, 127 command not found."""
    try:
        if not argv:
            raise Refused("no command: pass one, such as `clipping-agent run`")
        set_umask(os.environ)
        volume = Path(os.environ["CLIPPING_VOLUME"]) if "CLIPPING_VOLUME" in os.environ else None
        if os.geteuid() == 0:
            become(wanted_user(os.environ), volume)
        if volume is not None:
            check_volume(volume)
    except Refused as refused:
        print(f"as-user: {refused}", file=sys.stderr)
        sys.exit(EXIT_CONFIGURATION)
    # The volume may be the only folder of this user's, and libraries fail on a home that can't be written.
    environ = {**os.environ, "HOME": "/tmp"}
    # The programs themselves: those in front of them on PATH come back here.
    environ["PATH"] = ":".join([PROGRAMS, environ.get("PATH", os.defpath)])
    # The first process of a container has to reap what others leave behind.
    command = [*INIT, *argv] if os.getpid() == 1 else list(argv)
    try:
        os.execvpe(command[0], command, environ)
    except OSError as error:
        print(f"as-user: {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_NOT_FOUND)


def wanted_user(environ: Mapping[str, str]) -> User:
    """The user in PUID and PGID. Pure. Raises `Refused`."""
    named = bool(environ.get("PUID") or environ.get("PGID"))
    return User(_id(environ, "PUID"), _id(environ, "PGID"), named)


def _id(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "").strip() or str(DEFAULT_ID)
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_ID:
        raise Refused(f"{name} must be a number, as `id` prints it on the host, not {text!r}")
    return int(text)


def set_umask(environ: Mapping[str, str]) -> None:
    """Apply UMASK, an octal number; without one the container's is kept. Raises `Refused`."""
    text = environ.get("UMASK", "").strip()
    if not text:
        return
    if not re.fullmatch(r"0?[0-7]{1,3}", text):
        raise Refused(f"UMASK must be an octal number such as 022, not {text!r}")
    os.umask(int(text, 8))


def become(user: User, volume: Path | None) -> None:
    """Become the user, with the groups of the render nodes and those that the container was given.

    Without the capabilities for that, the command runs as root where no user was named: root without
    capabilities has no privileges over the files of others. Raises `Refused`.
    """
    if missing := missing_capabilities():
        if user.named:
            raise Refused(
                f"can't become the user {user.uid}:{user.gid} of PUID and PGID without the capabilities "
                f"{', '.join(missing)}: add `cap_add: [{', '.join(CAPABILITIES)}]`, or replace PUID and PGID "
                f'by `user: "{user.uid}:{user.gid}"`'
            )
        print(f"as-user: runs as root, as the container lacks {', '.join(missing)}", file=sys.stderr)
        return
    nodes = [opened(node, user) for node in render_nodes(DEVICES)]
    if volume is not None:
        prepare(volume, user)
    os.setgroups(groups_of(user, os.getgroups(), nodes))
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def missing_capabilities() -> list[str]:
    """Those of `CAPABILITIES` that this process does not have."""
    status = Path("/proc/self/status").read_text()
    (effective,) = re.findall(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return [name for name, bit in CAPABILITIES.items() if not int(effective, 16) >> bit & 1]


def groups_of(user: User, given: Iterable[int], nodes: Iterable[Node]) -> list[int]:
    """The supplementary groups: the given ones without root's, and those that may use a node. Pure."""
    usable = {node.gid for node in nodes if node.mode & 0o060 == 0o060}
    return sorted(({*given} - {0}) | usable | {user.gid})


def render_nodes(devices: Path) -> list[Node]:
    """The GPUs' device files. None where there is no GPU."""
    found = []
    for path in sorted((devices / "dri").glob("render*")):
        try:
            facts = path.stat()
            own = facts.st_dev == devices.stat().st_dev and not (devices / "dri").is_mount()
        except OSError:
            continue
        found.append(Node(path, facts.st_uid, facts.st_gid, stat.S_IMODE(facts.st_mode), own))
    return found


def opened(node: Node, user: User) -> Node:
    """The node, usable by the user's group where it is this container's own and no group may use it: some NAS
    have it readable by root alone (0600)."""
    if not node.own or node.mode & 0o060 == 0o060 or node.mode & 0o006 == 0o006:
        return node
    try:
        os.chown(node.path, -1, user.gid)
        os.chmod(node.path, node.mode | 0o060)
    except OSError as error:
        print(
            f"as-user: {node.path} can't be made usable by group {user.gid}: {error.strerror}",
            file=sys.stderr,
        )
        return node
    return Node(node.path, node.uid, user.gid, node.mode | 0o060, own=True)


def prepare(volume: Path, user: User) -> None:
    """Make the volume the user's: a new one, or one that was prepared before. Others are left alone."""
    try:
        owner = volume.stat()
        given = (owner.st_uid, owner.st_gid) == (user.uid, user.gid)
        if (given and user.uid != 0) or not _is_ours(volume):
            return
        if owner.st_uid == 0 and not (volume / MARKER).exists():
            # Readable for root too, which has no privileges over the files of others here.
            os.chmod(volume, 0o755)
            (volume / MARKER).touch()
        if not given:
            _give(volume, user)
    except FileNotFoundError:
        raise Refused(f"{volume} does not exist: mount a volume there") from None
    except OSError as error:
        raise Refused(
            f"{volume} can't be prepared for user {user.uid}:{user.gid} ({error.strerror}): mount an empty "
            f"folder that this user owns, or a named volume"
        ) from None


def _is_ours(volume: Path) -> bool:
    try:
        return (volume / MARKER).exists() or not any(volume.iterdir())
    except PermissionError:
        return False


def _give(volume: Path, user: User) -> None:
    # Its own, as long as it is read: reading the folders of others would take another capability.
    os.chown(volume, 0, 0)
    folder = os.open(volume, _FOLDER)
    try:
        _give_opened(folder, user, os.fstat(folder).st_dev)
    finally:
        os.close(folder)


def _give_opened(folder: int, user: User, device: int) -> None:
    # Never by path: the volume's former user may replace a folder by a link meanwhile.
    for name in os.listdir(folder):
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if facts.st_dev != device:  # a share that is mounted below
            continue
        if not stat.S_ISDIR(facts.st_mode):
            os.chown(name, user.uid, user.gid, dir_fd=folder, follow_symlinks=False)
            continue
        os.chown(name, 0, 0, dir_fd=folder, follow_symlinks=False)
        below = os.open(name, _FOLDER, dir_fd=folder)
        try:
            _give_opened(below, user, device)
        finally:
            os.close(below)
    os.fchown(folder, user.uid, user.gid)


def check_volume(volume: Path) -> None:
    """Raises `Refused` when the user can't write to the volume."""
    if os.access(volume, os.W_OK | os.X_OK):
        return
    try:
        facts = volume.stat()
    except OSError as error:
        raise Refused(f"{volume}: {error.strerror}: mount a volume there") from None
    raise Refused(
        f"{volume} can't be written by user {os.geteuid()}:{os.getegid()}; it belongs to "
        f"{facts.st_uid}:{facts.st_gid} with mode {stat.S_IMODE(facts.st_mode):04o}: mount an empty folder "
        f"that this user owns, or a named volume"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
