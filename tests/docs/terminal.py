"""docs/images/first-clip.svg: a terminal with commands that were really run.

`python -m tests.docs.terminal poker-night.mp4` runs them on a recording of at least 5:06, such as the demo's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from tests.docs.tables import DOCS

PAGE = DOCS / "images" / "first-clip.svg"
COMMANDS = (
    "clipping-agent cut poker-night.mp4 4:15.2 5:05.2 -o copied.mp4",
    "clipping-agent cut poker-night.mp4 4:15.2 5:05.2 -o exact.mp4 --mode smart",
    "clipping-agent cut poker-night.mp4 4:15.2 4:25.2 -o short.mp4 --aspect 9:16 --fit blur",
)
COLUMNS = 92
# No font is fetched from another site: the reader's own monospace serves.
FORMAT = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>{lines_title}</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px;
line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path)
    arguments = parser.parse_args()
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "poker-night.mp4").symlink_to(arguments.recording.resolve())
        for command in COMMANDS:
            console.print(Text.assemble(("$ ", "green"), (command, "bold")))
            console.print(Text(_run(command, Path(folder))))
    PAGE.parent.mkdir(exist_ok=True)
    svg = console.export_svg(
        title="clipping-agent cut",
        theme=DIMMED_MONOKAI,
        code_format=FORMAT.replace("{lines_title}", "Three clips cut on the command line"),
        unique_id="clipping",
    )
    PAGE.write_text(svg, encoding="utf-8")
    return 0


def _run(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command.split(),
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
