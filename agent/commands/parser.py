"""The commands of `clipping-agent`: their arguments, and what each does."""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn, get_args

from agent.commands import ctl
from clipping import __version__, config, log
from clipping.arguments import Parser
from clipping.contract.messages import Mode
from clipping.contract.output import Aspect, ContainerName, Fit, Quality, VideoCodec
from clipping.exits import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from clipping.signals import until_stopped
from health.page.token import read_token

DEFAULT_CONFIG = Path("/etc/clipping-agent/config.yaml")


def run(argv: Sequence[str] | None) -> int:
    """Run the command that the arguments name; its exit code."""
    arguments = _parser().parse_args(argv)
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="clipping-agent", description="Cuts clips on the NAS.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, help: str, *, configured: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(run=run)
        if configured:
            sub.add_argument(
                "--config", type=Path, metavar="FILE", help=f"default: {DEFAULT_CONFIG} if it exists"
            )
        return sub

    run = command("run", _run, "serve requests until SIGTERM")
    run.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    command(
        "check-config", _check_config, "report every problem of the configuration; exit 78 if there is one"
    )
    doctor = command("doctor", _doctor, "check ffmpeg, encoders, NAS, Pub/Sub, store and clock")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    ctl.configure(command("ctl", _ctl, "control the agent that runs on this machine"))
    provision = command(
        "provision", _provision, "create or repair topics, subscriptions and the cluster's lease"
    )
    provision.add_argument("--dry-run", action="store_true", help="print the changes without making them")
    provision.add_argument("--json", action="store_true", help="print the changes as JSON")
    cut = command("cut", _cut, "cut one clip on this machine, without the service", configured=False)
    cut.add_argument("source", type=Path, metavar="SRC", help="the recording")
    cut.add_argument("start", metavar="START", help="in-point: seconds, or 3:24:15.5")
    cut.add_argument("end", metavar="END", help="out-point")
    cut.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="the clip")
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
    cut.add_argument("--encoder", choices=["auto", "nvenc", "cpu"], default="auto", help="default: auto")
    cut.add_argument(
        "--ffmpeg", type=Path, metavar="FILE", help="default: the one on PATH, else the bundled one"
    )
    cut.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _load(arguments: argparse.Namespace) -> config.Config:
    path = arguments.config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)
    return config.load(path)


def _run(arguments: argparse.Namespace) -> NoReturn:
    from agent import daemon
    from agent.settings import Settings

    settings = Settings(_load(arguments), lambda: _load(arguments))
    settings.follow(_set_up_log)
    _set_up_log(settings.current)
    daemon.run(settings, announce=_print_line if arguments.json else lambda line: None)


def _set_up_log(loaded: config.Config) -> None:
    log.set_up(loaded.log.format, loaded.log.level, identifier="clipping-agent")


def _ctl(arguments: argparse.Namespace) -> int:
    return ctl.run(arguments, lambda: _load(arguments))


def _print_line(line: str) -> None:
    print(line, flush=True)


def _check_config(arguments: argparse.Namespace) -> int:
    read_token(_load(arguments).health.token_file)
    print("the configuration is valid")
    return EXIT_OK


def _doctor(arguments: argparse.Namespace) -> int:
    from agent.commands import doctor

    loaded = _load(arguments)
    stop = threading.Event()
    findings = until_stopped(lambda: doctor.examine(loaded, stop), stop.set, grace=doctor.STOP_SECONDS)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok ' if finding.ok else 'BAD'}  {finding.name:24} {finding.detail}")
    return EXIT_OK if all(finding.ok for finding in findings) else EXIT_FAILED


def _provision(arguments: argparse.Namespace) -> int:
    from clipping.bus.provision import provision
    from clipping.bus.topology import topology
    from clipping.store.retention import keep_clips

    loaded = _load(arguments)
    dry_run = arguments.dry_run
    changes = [str(change) for change in provision(loaded.pubsub.project, topology(loaded), dry_run=dry_run)]
    changes += keep_clips(loaded, dry_run=dry_run)
    changes += _prepare_lease(loaded, dry_run=dry_run)
    if arguments.json:
        print(json.dumps(changes))
    else:
        for change in changes:
            print(("would " if dry_run else "") + change)
        if not changes:
            print("nothing to change")
    return EXIT_OK


def _prepare_lease(loaded: config.Config, *, dry_run: bool) -> list[str]:
    """Create a new cluster's lease as free; without one the first agent would wait a TTL."""
    from clipping.clock import SystemClock
    from clipping.contract.cluster import lease_key
    from clipping.store.open import open_coordination_store
    from health.cluster.registry import prepare_cluster

    if loaded.ha.mode != "primary-standby":
        return []
    store, cluster = open_coordination_store(loaded), loaded.agent.cluster
    if dry_run:
        made = not store.list(lease_key(cluster).rpartition("/")[0] + "/", limit=1).objects
    else:
        made = prepare_cluster(store, cluster, clock=SystemClock(), ttl_seconds=loaded.ha.ttl_seconds)
    return [f"create the lease of cluster {cluster}"] if made else []


def _cut(arguments: argparse.Namespace) -> int:
    from agent.commands import cut as cut_command

    try:
        return cut_command.run(arguments)
    except ValueError as error:
        print(f"usage: {error}", file=sys.stderr)
        return EXIT_USAGE
