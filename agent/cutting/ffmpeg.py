"""ffmpeg as a command: finding it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from clipping.errors import EncoderFailed


def find_ffmpeg(configured: Path | None) -> Path:
    """The ffmpeg to run: the configured one, else the one on PATH, else the imageio-ffmpeg package's.

    Raises `EncoderFailed` when there is none, or the configured one can't be run.
    """
    if configured is not None:
        if not (configured.is_file() and os.access(configured, os.X_OK)):
            raise EncoderFailed(f"agent.ffmpeg names {configured}, which can't be run: correct or remove it.")
        return configured
    on_path = shutil.which("ffmpeg")
    if on_path:
        return Path(on_path)
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise EncoderFailed(
            "There is no ffmpeg: install it, or the package imageio-ffmpeg, or name one in agent.ffmpeg."
        ) from None
