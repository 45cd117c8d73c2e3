"""The configuration file and the variables that override it, as a tree that is not validated.

For `clipping.config`, and for commands that need a single key quickly: loading the models takes a tenth of a
second. YAML itself is loaded only when there is something to parse.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipping.errors import ConfigurationError

ENV_PREFIX = "CLIPPING_"
STATE_DIR = "/var/lib/clipping-agent"
"""The default of `agent.state_dir`."""
API_HOST, API_PORT = "127.0.0.1", 8000
"""The defaults of `api.host` and `api.port`."""
_SECRET = re.compile(r"[!-~]{16,512}")


def tree(path: Path | None, environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What `path` (none: nothing) and `environ` set. Raises `ConfigurationError` with all problems."""
    return overridden(_parsed(path) if path is not None else {}, environ)


def value(key: str, path: Path | None, environ: Mapping[str, str] = os.environ) -> Any:
    """What they set for a key such as `agent.state_dir`; None: nothing. Raises `ConfigurationError`."""
    section, _, name = key.partition(".")
    variable = f"{section}__{name}"
    own = {each: text for each, text in environ.items() if each[len(ENV_PREFIX) :].lower() == variable}
    keys = overridden({}, own).get(section)
    if keys is None and path is not None:
        keys = _parsed(path).get(section)
    return keys.get(name) if isinstance(keys, dict) else None


def read_secret(key: str, file: str) -> str:
    """The secret in the file that the key `key` names. Raises `ConfigurationError`."""
    try:
        secret = Path(file).read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigurationError([f"{key}: {file}: {error.strerror}"]) from None
    if not _SECRET.fullmatch(secret):
        raise ConfigurationError(
            [f"{key}: {file} must hold one line of 16 to 512 printable ASCII characters"]
        )
    return secret


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` overridden by the keys of `over`, recursively; lists are replaced as a whole."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = overlay(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def overridden(base: dict[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """`base` with the keys that variables such as `CLIPPING_API__PORT` name. Raises `ConfigurationError`."""
    problems: list[str] = []
    over: dict[str, Any] = {}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or "__" not in name:
            continue
        import yaml

        parts = name.removeprefix(ENV_PREFIX).lower().split("__")
        try:
            value: Any = yaml.safe_load(environ[name])
        except yaml.YAMLError as error:
            problems.append(f"{name}: not valid YAML: {_one_line(error)}")
            continue
        for part in reversed(parts):
            value = {part: value}
        over = overlay(over, value)
    if problems:
        raise ConfigurationError(problems)
    return overlay(base, over)


def _parsed(path: Path) -> dict[str, Any]:
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror}"]) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: not valid YAML: {_one_line(error)}"]) from None
    if loaded is not None and not isinstance(loaded, dict):
        raise ConfigurationError([f"{path}: must be a mapping of sections"])
    return loaded or {}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
