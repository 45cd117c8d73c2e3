"""`clipping up`: the whole service on this machine, without a cloud account."""

from __future__ import annotations

import argparse
from pathlib import Path

from clipping.cli import Command

DEFAULT_DATA = Path("clipping-data")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `clipping up`."""
    parser.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="keep all data here (default: ./%(default)s); the next start continues with it",
    )
    parser.add_argument(
        "--nas-root",
        type=Path,
        action="append",
        metavar="DIR",
        dest="nas_roots",
        help="a folder with recordings (repeatable; default: DATA/recordings)",
    )
    parser.add_argument("--port", type=int, default=8000, help="the API's port; 0 picks a free one")
    parser.add_argument(
        "--agents",
        type=int,
        default=2,
        help="number of agents: one leads and the others are standbys; with ha.mode: pool in --config "
        "all share the work (default: %(default)s)",
    )
    parser.add_argument(
        "--store",
        choices=["local", "s3"],
        help="where clips, lease and heartbeats are: in DATA, or in a bucket of an S3-compatible store that "
        "runs already (default: storage.backend in --config, else local)",
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="with --store s3: the store, such as http://nas.local:9000; links have this address "
        "(storage.endpoint; default: AWS)",
    )
    parser.add_argument(
        "--bucket", metavar="NAME", help="with --store s3: created if it is missing (storage.bucket)"
    )
    parser.add_argument(
        "--credentials",
        metavar="FILE",
        help="with --store s3: the access key, in the AWS format (storage.credentials; default: "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML to merge into the generated configuration"
    )
    parser.add_argument("--json", action="store_true", help="print addresses and keys as one line of JSON")


COMMAND = Command(
    "run the whole service on this machine, without a cloud account or root",
    configure,
    "embedded.up_run:run",
)
