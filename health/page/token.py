"""The token whose bearer sees paths on the health page."""

from __future__ import annotations

import re
from pathlib import Path

from clipping.errors import ConfigurationError

_TOKEN = re.compile(r"[!-~]{16,512}")


def read_token(file: str | None) -> str | None:
    """The token in `health.token_file`; None without one. Raises `ConfigurationError`."""
    if file is None:
        return None
    try:
        token = Path(file).read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        raise ConfigurationError([f"health.token_file: {file}: {error.strerror}"]) from None
    if not _TOKEN.fullmatch(token):
        raise ConfigurationError(
            [f"health.token_file: {file} must hold one token of 16 to 512 printable ASCII characters"]
        )
    return token
