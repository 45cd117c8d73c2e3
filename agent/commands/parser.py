"""The commands of `clipping-agent` and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from clipping.arguments import Parser, add_version, load
from clipping.contract.choices import Aspect, CaptionsMode, ContainerName, Fit, Mode, Quality, VideoCodec

DEFAULT_CONFIG = Path("/etc/clipping-agent/config.yaml")
CTL = {
    "status": "role, epoch, lease, clips in flight and checks",
    "health": "whether every loop makes progress, in one line, for the health check of a container; exits "
    "with 1 if one does not, or no agent answers",
    "reload": "read the configuration again; a broken one changes nothing, and exits with 78",
    "drain": "finish the clips in flight, hand over, and stay a standby for a while (without an "
    "election: take no new clips until `resume`); waits until that is done",
    "pause": "take no new clips, and keep the lease",
    "resume": "take clips again",
}
"""The commands of the running agent."""


def run(argv: Sequence[str] | None) -> int:
    """Run the command that the arguments name; its exit code."""
    arguments = _parser().parse_args(argv)
    # Imported here: help needs none of the libraries that the commands load.
    return int(load(arguments.run)(arguments))


def config_path(arguments: argparse.Namespace) -> Path | None:
    """The file that `--config` names, or the default one if it exists."""
    named: Path | None = arguments.config
    return named or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="clipping-agent", description="Cuts clips on the NAS.")
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, *, configured: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=f"agent.commands.{name.replace('-', '_')}:run")
        if configured:
            sub.add_argument(
                "--config", type=Path, metavar="FILE", help=f"default: {DEFAULT_CONFIG} if it exists"
            )
        return sub

    run = command("run", "serve requests until SIGTERM")
    run.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    command("check-config", "report every problem of the configuration; exit 78 if there is one")
    doctor = command("doctor", "check ffmpeg, encoders, NAS, Pub/Sub, store and clock")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    _configure_ctl(command("ctl", "control the agent that runs on this machine"))
    provision = command("provision", "create or repair topics, subscriptions and the cluster's lease")
    provision.add_argument("--dry-run", action="store_true", help="print the changes without making them")
    provision.add_argument("--json", action="store_true", help="print the changes as JSON")
    cut = command("cut", "cut one clip on this machine, without the service", configured=False)
    cut.add_argument("source", type=Path, metavar="SRC", help="the recording")
    cut.add_argument("start", metavar="START", help="in-point: seconds, or 3:24:15.5")
    cut.add_argument("end", metavar="END", help="out-point")
    cut.add_argument("-o", "--output", type=Path, metavar="OUT", help="the clip; required without --plan")
    cut.add_argument(
        "--plan", action="store_true", help="print what the cut would result in, and write nothing"
    )
    cut.add_argument("--force", action="store_true", help="replace OUT if it exists")
    cut.add_argument(
        "--mode",
        choices=get_args(Mode),
        help="default: copy, or encode where the quality is medium or an option below needs new frames",
    )
    cut.add_argument("--quality", choices=get_args(Quality), default="high", help="default: high")
    cut.add_argument("--aspect", choices=get_args(Aspect), help="9:16 is 1080x1920; default: the source's")
    cut.add_argument("--fit", choices=get_args(Fit), help="into another shape; default: center_crop")
    cut.add_argument("--width", type=int, metavar="PIXELS", help="an even number")
    cut.add_argument("--height", type=int, metavar="PIXELS", help="an even number")
    cut.add_argument("--fps", type=float, metavar="RATE", help="frames per second")
    cut.add_argument("--max-bytes", type=int, metavar="BYTES", help="the maximum size of the file")
    cut.add_argument("--codec", choices=get_args(VideoCodec), help="default of an encode: h264")
    cut.add_argument("--container", choices=get_args(ContainerName), help="default: the extension of OUT")
    cut.add_argument(
        "--no-audio", dest="audio", action="store_false", default=None, help="leave the audio out"
    )
    cut.add_argument(
        "--effects",
        type=Path,
        metavar="FILE.json",
        help="framing, segments, overlay, title and captions, as in a request to the service",
    )
    cut.add_argument(
        "--captions",
        type=Path,
        metavar="FILE",
        help="SubRip (.srt) or WebVTT (.vtt) in UTF-8, with times from the start of the clip",
    )
    cut.add_argument(
        "--captions-mode",
        choices=get_args(CaptionsMode),
        help="burn (the default) draws them into the frames, track makes a text track",
    )
    _configure_engine(cut)
    reel = command("reel", "join parts of recordings on this machine, without the service", configured=False)
    reel.add_argument(
        "request",
        type=Path,
        metavar="FILE.json",
        help="the request, as to the service; - is stdin. Its paths may be relative to its folder",
    )
    reel.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the reel")
    reel.add_argument("--tsv", type=Path, metavar="OUT.tsv", help="a table of the parts")
    reel.add_argument("--force", action="store_true", help="replace OUT and OUT.tsv if they exist")
    _configure_engine(reel)
    return parser


def _configure_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoder", choices=["auto", "nvenc", "qsv", "vaapi", "cpu"], default="auto", help="default: auto"
    )
    parser.add_argument(
        "--ffmpeg", type=Path, metavar="FILE", help="default: the one on PATH, else the bundled one"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def _configure_ctl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "command", choices=CTL, help="; ".join(f"{name}: {what}" for name, what in CTL.items())
    )
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")
    parser.add_argument("--no-wait", action="store_true", help="with drain: don't wait until it is done")
