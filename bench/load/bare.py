"""A Flask route that does nothing, under the API's own server: what no route of ours can be faster than.

python -m bench.load.bare
"""

from __future__ import annotations

import signal
import sys

from flask import Flask, Response, request

from api.serving import Server, bind, url_of
from clipping.config import Api


def main() -> int:
    """Serve until SIGTERM; the first line is the URL."""
    app = Flask("bare", static_folder=None)

    @app.route("/", methods=["GET", "POST"])
    def nothing() -> Response:
        request.get_data()
        return Response(b'{"ok": true}', mimetype="application/json")

    bound = bind("127.0.0.1", 0)
    server = Server(app, bound, threads=Api().threads)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    print(url_of(bound), flush=True)
    server.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
