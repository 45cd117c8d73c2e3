"""Files outside /opt: written atomically, and restored when an upgrade fails."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from installer.console import InstallError, report


class Changes:
    """The files written so far, with their previous contents."""

    def __init__(self) -> None:
        self._before: dict[Path, tuple[bytes, int] | None] = {}

    def __bool__(self) -> bool:
        return bool(self._before)

    def place(self, path: Path, content: bytes, mode: int = 0o644, group: str | None = None) -> None:
        """Write `path` unless it already has this content and mode."""
        before = _read(path)
        if before == (content, mode):
            return
        report(f"writing {path}")
        self._before.setdefault(path, before)
        _write(path, content, mode, group)

    def undo(self) -> None:
        """Restore every file, and remove those that did not exist."""
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
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        if group is not None:
            shutil.chown(temporary, group=group)
        temporary.chmod(mode)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InstallError(f"{path} can't be written: {error.strerror}") from None
