"""Files outside /opt: written whole or not at all, and put back when an upgrade fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from installer.tell import InstallError, say


class Changes:
    """Files that were written, with what was there before."""

    def __init__(self) -> None:
        self._before: dict[Path, tuple[bytes, int] | None] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def place(self, path: Path, content: bytes, mode: int = 0o644, group: str | None = None) -> None:
        """Write `path` unless it holds just that already."""
        before = _read(path)
        if before == (content, mode):
            return
        say(f"writing {path}")
        self._before.setdefault(path, before)
        _write(path, content, mode, group)

    def undo(self) -> None:
        """Put everything back."""
        for path, before in self._before.items():
            if before is None:
                path.unlink(missing_ok=True)
            else:
                _write(path, *before, None)
        self._before.clear()


def _read(path: Path) -> tuple[bytes, int] | None:
    try:
        return path.read_bytes(), path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes, mode: int, group: str | None) -> None:
    beside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        if group is not None:
            shutil.chown(beside, group=group)
        beside.chmod(mode)
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise InstallError(f"{path} can't be written: {error.strerror}") from None
