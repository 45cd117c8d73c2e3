"""`python -m …second_try SOURCE FOLDER LIMIT`: a long encode whose first try comes out too large.

Prints each checkpoint as a line of JSON, and at the end the size of the clip."""

from __future__ import annotations

import socket
import sys
import threading
from fractions import Fraction
from pathlib import Path

from agent.cutting import CutSpec, Keep, find_ffmpeg
from agent.cutting.cut import run_cut
from agent.cutting.encode import encode
from agent.cutting.plan.encoders import Choice
from agent.cutting.plan.spec import Order
from agent.cutting.process.context import Context
from agent.cutting.process.protocol import Kept, receive
from agent.cutting.reading.source import open_path
from clipping.contract.output import Output


def main(source: str, folder: str, limit: str) -> None:
    encode.FIRST_SHARE = 3.0  # no encoder that is asked for less comes out so large
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    threading.Thread(target=report, args=(theirs,), daemon=True).start()
    with open_path(Path(source)) as file:
        spec = CutSpec(file.name, Fraction(1), Fraction(21), "encode", "high", Output(max_bytes=int(limit)))
        keep = Keep(Path(folder) / "kept", "clip-1", "spec", "nas-1", min_seconds=5, segment_seconds=4)
        order = Order(
            spec,
            file.identity,
            Path(folder),
            "clip",
            find_ffmpeg(None),
            Choice("libx264", ()),
            keep=keep,
        )
        print(run_cut(Context(ours), file.descriptor, order).size, flush=True)


def report(channel: socket.socket) -> None:
    while (message := receive(channel)) is not None:
        if isinstance(message, Kept):
            print(message.checkpoint.model_dump_json(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
