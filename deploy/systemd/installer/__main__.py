"""The command line of the installer."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from installer import ffmpeg, machine
from installer.remove import uninstall
from installer.source import find_source
from installer.tell import InstallError, complain
from installer.upgrade import Order, install


def main() -> int:
    """Exit codes: 0 done, 1 it failed and what was there before is there still, 2 usage."""
    arguments = _parser().parse_args()
    os.umask(0o022)
    try:
        machine.check(building=not arguments.uninstall)
        with machine.alone():
            if arguments.uninstall:
                uninstall(purge=arguments.purge)
            else:
                install(_order(arguments))
    except InstallError as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        complain("interrupted")
        return 1
    return 0


def _order(arguments: argparse.Namespace) -> Order:
    key: Path | None = arguments.credentials
    try:
        credentials = key.read_bytes() if key is not None else None
    except OSError as error:
        raise InstallError(f"{key} can't be read: {error.strerror}") from None
    has_ffmpeg = ffmpeg.usable(ffmpeg.SERVICE_PATH)
    source = find_source(arguments.source, arguments.wheels, with_ffmpeg=not has_ffmpeg)
    return Order(source, tuple(arguments.drop_ins), credentials)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="install",
        description="Install the clipping agent as a service, or upgrade it in place. The configuration in "
        "/etc/clipping-agent is kept; a running service is restarted, and goes back to the version before if "
        "the new one does not start.",
    )
    parser.add_argument(
        "source", type=Path, nargs="?", metavar="SOURCE", help="a checkout or a wheel; default: this checkout"
    )
    parser.add_argument(
        "--wheels", type=Path, metavar="DIR", help="take every package from this folder: no network is needed"
    )
    parser.add_argument(
        "--with",
        dest="drop_ins",
        action="append",
        default=[],
        choices=["nas", "gpu", "limits"],
        help="add a drop-in of the unit (may be repeated)",
    )
    parser.add_argument("--credentials", type=Path, metavar="FILE", help="a Google service account's key")
    parser.add_argument(
        "--uninstall", action="store_true", help="remove it; configuration and state are kept"
    )
    parser.add_argument(
        "--purge", action="store_true", help="with --uninstall: remove those too, and the user"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
