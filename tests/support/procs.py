"""Processes as the kernel shows them."""

from __future__ import annotations

from pathlib import Path


def children_of(parent: int) -> list[int]:
    """The processes that `parent` started, in any of its threads."""
    children: list[int] = []
    for file in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            children += [int(pid) for pid in file.read_text().split()]
        except OSError:
            continue
    return children


def descendants_of(pid: int) -> list[int]:
    """Its children, their children, and so on."""
    found, todo = [], [pid]
    while todo:
        children = children_of(todo.pop())
        found += children
        todo += children
    return found


def state_of(pid: int) -> str | None:
    """The kernel's letter for the state of a process or thread: `T` if it is stopped; None if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def has_open(pid: int, folder: Path) -> bool:
    """Whether a process has a file below this folder open."""
    try:
        return any(link.readlink().is_relative_to(folder) for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it has ended, or has just closed one of its files


def alive(pid: int) -> bool:
    """Whether it runs; one that is only not buried yet does not."""
    return state_of(pid) not in (None, "Z")


def with_variable(name: str, value: str) -> dict[int, str]:
    """The command lines of the running processes that were started with this environment variable."""
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
