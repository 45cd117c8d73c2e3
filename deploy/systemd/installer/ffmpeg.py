"""Finds an ffmpeg that the agent can use. On a machine without one, imageio-ffmpeg is installed too.

`python -m installer.ffmpeg` exits 0 if PATH has one; `scripts/install` uses that. The agent applies the
same rule at run time, in `agent/cutting/encode/ffmpeg.py`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

OLDEST = (5, 1)
"""The first version with `-fps_mode`, which encodes need."""
SERVICE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The PATH that systemd gives a service."""
_SECONDS = 30
_VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")


def usable(path: str | None = None) -> bool:
    """Whether the ffmpeg on `path` (default: PATH) is recent enough."""
    program = shutil.which("ffmpeg", path=path)
    if program is None:
        return False
    try:
        done = subprocess.run(
            [program, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and recent(done.stdout)


def recent(version_output: str) -> bool:
    """Whether `ffmpeg -version` printed 5.1 or later. Development builds, which print a date or a commit,
    count as recent."""
    if not version_output.startswith("ffmpeg version "):
        return False
    release = _VERSION.match(version_output)
    return release is None or (int(release[1]), int(release[2])) >= OLDEST


if __name__ == "__main__":
    sys.exit(0 if usable() else 1)
