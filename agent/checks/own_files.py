"""Whether the folders and the key file of the service can be used as its user, and if not, what to change."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from agent.checks.access import CHANGE, READ, WRITE, Entry, Runner, described, explain, refusing, runner
from clipping.errors import ConfigurationError

MOST_ENTRIES = 200
"""Entries of a folder that are checked, too: those of the service are few."""
SKIPPED = (".", "lost+found")
KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
"""The variable that names the key of a Google service account."""


def check_folder(key: str, folder: Path, *, who: Runner | None = None) -> None:
    """Raises `ConfigurationError` with the cause and the fix where the folder or what is in it can't be
    written, or it is missing and can't be created."""
    known = who or runner()
    try:
        refused = _refused(folder)
        if refused is None:
            return
        entry, wanted = refusing(str(refused), CHANGE)
        read_only = os.statvfs(entry.path).f_flag & os.ST_RDONLY
    except OSError as error:
        raise ConfigurationError([f"{key}: {folder} can't be used: {error.strerror}"]) from None
    if read_only:
        raise ConfigurationError([f"{key}: {_read_only(entry.path, known)}"])
    if not stat.S_ISDIR(entry.mode):
        wanted = WRITE
    what = described(entry, wanted)
    if entry.path != str(folder):
        what = f"{folder} can't be used: {what}"
    raise ConfigurationError([f"{key}: {what}: {explain(entry, wanted, known, also=_also(key, known))}"])


def _refused(folder: Path) -> Path | None:
    """The first of what is needed that can't be written. Raises `OSError`."""
    there = next(path for path in (folder, *folder.parents) if _exists(path))
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        return there
    if there != folder or not there.is_dir():
        return None  # a file is reported by what uses the folder
    return next((path for path in _contents(folder) if not _writable(path)), None)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except PermissionError:
        return True  # a folder above it refuses, which is reported
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _contents(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for _, entry in zip(range(MOST_ENTRIES), entries, strict=False):
            regular = entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)
            if regular and not entry.name.startswith(SKIPPED):
                yield Path(entry.path)


def _writable(path: Path) -> bool:
    if path.is_dir():
        return os.access(path, os.W_OK | os.X_OK, effective_ids=True)
    # One of its own that is read-only is meant so.
    return path.stat().st_uid == os.geteuid() or os.access(path, os.W_OK, effective_ids=True)


def _read_only(path: str, who: Runner) -> str:
    if who.container:
        return f"{path} is on a read-only file system: mount a volume there, without `:ro`"
    return (
        f"{path} is on a read-only file system: name it in `ReadWritePaths=` of the unit's nas.conf "
        "(`install --with nas`), or mount it for writing"
    )


def _also(key: str, who: Runner) -> str:
    """A fix for folders that no one else uses."""
    if key != "agent.state_dir":
        return ""
    if who.container:
        return "mount a named volume or an empty folder there, which the entrypoint gives to PUID and PGID"
    return "run this with `sudo`, which makes it run as the service's user"


def check_key_file(key: str, path: str, *, who: Runner | None = None) -> str:
    """Raises `ConfigurationError` with the cause and the fix where the file, which the variable or key of the
    configuration `key` names, can't be read."""
    known = who or runner()
    try:
        with open(path, "rb") as file:
            file.read(1)
    except PermissionError:
        problem = _unreadable_key(path, known)
    except IsADirectoryError:
        problem = f"{path} is a folder, which Docker creates where the host's file of a volume is missing"
    except FileNotFoundError:
        problem = f"{path} does not exist: mount the key there, or correct {key}"
    except OSError as error:
        problem = f"{path} can't be read: {error.strerror}"
    else:
        return f"{path} can be read"
    raise ConfigurationError([f"{key}: {problem}"])


def _unreadable_key(path: str, who: Runner) -> str:
    try:
        entry, wanted = refusing(path, READ)
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    also = f"let the file on the host belong to uid {who.uid} with mode 0400" if _is_file(entry) else ""
    return f"{described(entry, wanted)}: {explain(entry, wanted, who, also=also)}"


def _is_file(entry: Entry) -> bool:
    return stat.S_ISREG(entry.mode)
