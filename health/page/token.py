"""The token whose bearer sees paths on the health page."""

from __future__ import annotations

from clipping.config_file import read_secret


def read_token(file: str | None) -> str | None:
    """The token in `health.token_file`; None without one. Raises `ConfigurationError`."""
    return None if file is None else read_secret("health.token_file", file)
