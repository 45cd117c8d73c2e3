"""The command line of the installer."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from installer import ffmpeg, machine
from installer.console import InstallError, report_error
from installer.remove import uninstall
from installer.source import find_source
from installer.upgrade import Options, install


def main() -> int:
    """Exit codes: 0 success, 1 failure (the previous installation is unchanged), 2 wrong usage."""
    arguments = _parser().parse_args()
    os.umask(0o022)
    try:
        machine.check(building=not arguments.uninstall)
        with machine.exclusive():
            if arguments.uninstall:
                uninstall(purge=arguments.purge)
            else:
                install(_options(arguments))
    except InstallError as error:
        report_error(str(error))
        return 1
    except KeyboardInterrupt:
        report_error("interrupted")
        return 1
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    key: Path | None = arguments.credentials
    try:
        credentials = key.read_bytes() if key is not None else None
    except OSError as error:
        raise InstallError(f"{key} can't be read: {error.strerror}") from None
    has_ffmpeg = ffmpeg.usable(ffmpeg.SERVICE_PATH)
    source = find_source(arguments.source, arguments.wheels, with_ffmpeg=not has_ffmpeg)
    return Options(source, tuple(arguments.drop_ins), credentials)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="install",
        description="Install the clipping agent as a service, or upgrade it in place. The configuration in "
        "/etc/clipping-agent is kept. A running service is restarted, and rolled back to the previous "
        "version if the new one does not start.",
    )
    parser.add_argument(
        "source", type=Path, nargs="?", metavar="SOURCE", help="a checkout or a wheel; default: this checkout"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="install every package from this folder, without a network"
    )
    parser.add_argument(
        "--with",
        dest="drop_ins",
        action="append",
        default=[],
        choices=["nas", "gpu", "igpu", "limits"],
        help="add a drop-in to the unit (repeatable)",
    )
    parser.add_argument(
        "--credentials", type=Path, metavar="FILE", help="key file of a Google service account"
    )
    parser.add_argument(
        "--uninstall", action="store_true", help="remove the agent; keep its configuration and state"
    )
    parser.add_argument(
        "--purge",
        action="store_true",
        help="with --uninstall: also remove the configuration, the state and the user",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
