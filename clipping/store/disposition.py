"""The header that makes a browser save a download under a given name. Pure."""

from __future__ import annotations

from urllib.parse import quote


def attachment(filename: str) -> str:
    """`attachment; filename="…"`, after RFC 6266, and RFC 5987's `filename*` for names beyond ASCII.

    Raises `ValueError` for control characters, which could inject another header.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in filename):
        raise ValueError("a file name must not contain control characters")
    plain = (
        filename.encode("ascii", "replace").decode().replace("?", "_") if not filename.isascii() else filename
    )
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    header = f'attachment; filename="{quoted}"'
    if not filename.isascii():
        header += f"; filename*=UTF-8''{quote(filename, safe='')}"
    return header
