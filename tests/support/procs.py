"""Processes, from /proc."""

from __future__ import annotations

from pathlib import Path


def children_of(parent: int) -> list[int]:
    """The child processes of any thread of `parent`."""
    children: list[int] = []
    try:
        files = list(Path(f"/proc/{parent}/task").glob("*/children"))
    except OSError:  # it has exited
        return []
    for file in files:
        try:
            children += [int(pid) for pid in file.read_text().split()]
        except OSError:
            continue
    return children


def descendants_of(pid: int) -> list[int]:
    """Its children, recursively."""
    found, todo = [], [pid]
    while todo:
        children = children_of(todo.pop())
        found += children
        todo += children
    return found


def state_of(pid: int) -> str | None:
    """The kernel's state letter of a process or thread: `T` if it is stopped; None if it does not exist."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def has_open(pid: int, folder: Path) -> bool:
    """Whether a process has an open file in this folder."""
    try:
        return any(link.readlink().is_relative_to(folder) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it has exited, or has just closed a file


def alive(pid: int) -> bool:
    """Whether it is running; zombies are not."""
    return state_of(pid) not in (None, "Z")


def with_variable(name: str, value: str) -> dict[int, str]:
    """The command lines, by process id, of running processes with this environment variable."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environ = (folder / "environ").read_bytes().split(b"\0")
            if f"{name}={value}".encode() in environ and alive(int(folder.name)):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found
