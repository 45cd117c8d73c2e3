"""An empty Flask route on the API's server: the upper bound of any route's speed.

python -m bench.load.bare
"""

from __future__ import annotations

import os
import signal
import sys

from flask import Flask, Response, request

from api.server.serving import Server, bind, url_of
from clipping.config import Api


def main() -> int:
    """Serve until SIGTERM. Prints the URL first. Workers are forks that share the socket."""
    app = Flask("bare", static_folder=None)

    @app.route("/", methods=["GET", "POST"])
    def nothing() -> Response:
        request.get_data()
        return Response(b'{"ok": true}', mimetype="application/json")

    bound = bind("127.0.0.1", 0)
    bound.listen()
    print(url_of(bound), flush=True)
    others: list[int] = []
    for _ in range(int(sys.argv[1]) - 1 if len(sys.argv) > 1 else 0):
        if not (pid := os.fork()):
            others = []
            break
        others.append(pid)
    server = Server(app, bound, threads=Api().threads)

    def stop(*_: object) -> None:
        for pid in others:
            os.kill(pid, signal.SIGTERM)
        server.stop()

    signal.signal(signal.SIGTERM, stop)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
