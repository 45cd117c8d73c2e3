"""The options of the commands that make up the `effects` of a clip: `--effects`, `--captions`."""

from __future__ import annotations

from codecs import BOM_UTF8
from pathlib import Path
from typing import Any, get_args

from clipping.contract.caption_file import MAX_BYTES
from clipping.contract.choices import CaptionFormat, CaptionsMode
from clipping.contract.json_file import EFFECTS, read_object


def read_effects(
    effects: Path | None, captions: Path | None, captions_mode: CaptionsMode | None
) -> dict[str, Any]:
    """The effects that the options' files hold, unchecked.

    Raises `ValueError` whose message begins with the option.
    """
    try:
        found = {} if effects is None else read_object(effects, example=EFFECTS)
    except ValueError as error:
        raise ValueError(f"--effects {error}") from None
    if captions is None:
        if captions_mode is not None:
            raise ValueError("--captions-mode must be given with --captions")
        return found
    if found.get("captions") is not None:
        raise ValueError("--captions must not be given with --effects that have captions")
    mode = {} if captions_mode is None else {"mode": captions_mode}
    return found | {"captions": {"format": _format(captions), "text": _text(captions), **mode}}


def _format(path: Path) -> str:
    extension = path.suffix.removeprefix(".").lower()
    if extension not in get_args(CaptionFormat):
        raise ValueError(f"--captions {path} must be a file that is called .srt or .vtt")
    return extension


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 4).removeprefix(BOM_UTF8)
    except OSError as error:
        raise ValueError(f"--captions {path} can't be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"--captions {path} must be at most {MAX_BYTES} bytes long")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"--captions {path} is not UTF-8 at byte {error.start}: convert it") from None
