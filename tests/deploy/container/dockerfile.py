"""The Dockerfile, read as its targets."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str
    lines: tuple[tuple[str, str], ...]
    """Instruction and rest."""


def stages() -> dict[str, Stage]:
    """By name, in the order of the file."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: dict[str, Stage] = {}
    for part in re.split(r"^FROM ", text.replace("\\\n", " "), flags=re.MULTILINE)[1:]:
        first, *rest = part.splitlines()
        base, name = re.fullmatch(r"(\S+) AS (\S+)", first).groups()  # type: ignore[union-attr]
        lines = tuple(tuple(line.split(" ", 1)) for line in rest if line.strip())
        found[name] = Stage(name, base, lines)  # type: ignore[arg-type]
    return found


def instructions(target: str, name: str) -> list[str]:
    """The rests of the instructions of that name that make up a target's image, its bases included; not those
    of the stages that it copies from."""
    known = stages()
    if target not in known:
        return []
    stage = known[target]
    return instructions(stage.base, name) + [rest for word, rest in stage.lines if word == name]


def environment(target: str) -> dict[str, str]:
    """The ENV of a target's image."""
    words = [word for line in instructions(target, "ENV") for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


def copied(target: str) -> list[str]:
    """The paths in the build context that end up in a target's image, relative to the repository's root."""
    found = []
    for line in instructions(target, "COPY"):
        words = shlex.split(line)
        if words[0].startswith("--from="):
            found += copied(words[0].removeprefix("--from="))
        else:
            found += [source.rstrip("/") for source in words[:-1]]
    return found


def ignored(path: str) -> bool:
    """Whether the build context excludes the path: the last line to match it or a folder above decides."""
    verdict = False
    above = [path, *map(str, Path(path).parents)]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and any(fnmatch(each, pattern) for each in above):
            verdict = not line.startswith("!")
    return verdict
