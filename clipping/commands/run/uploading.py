"""`clipping upload`: a recording of this machine as one that clips can be cut from."""

from __future__ import annotations

import argparse

from clipping.commands.run.common import say
from clipping.commands.run.saving import bar
from clipping.commands.run.service import connect
from clipping.exits import EXIT_OK


def run(arguments: argparse.Namespace) -> int:
    """Upload the file, and print its URI."""
    with connect(arguments) as client, bar("upload") as progress:
        upload = client.upload(arguments.file, content_type=arguments.content_type, progress=progress)
    # Not the URL: it is used, but still a secret while it is valid.
    say(upload.model_dump_json(include={"upload_id", "source_uri"}) if arguments.json else upload.source_uri)
    return EXIT_OK
