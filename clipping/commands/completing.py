"""`clipping completion`: shell completion of commands and options."""

from __future__ import annotations

import argparse

from clipping.cli import Command

_SHELLS = {
    "bash": 'eval "$(clipping completion bash)" in ~/.bashrc',
    "zsh": 'clipping completion zsh >"${fpath[1]}/_clipping"',
    "fish": "clipping completion fish >~/.config/fish/completions/clipping.fish",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of `clipping completion`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = "Prints a shell's completion script. To install them:\n\n" + "\n".join(
        f"  {shell:6}{how}" for shell, how in _SHELLS.items()
    )
    parser.add_argument("shell", choices=list(_SHELLS), help="the shell")


COMMAND = Command("print a shell's completion script", configure, "clipping.commands.run.completing:run")
