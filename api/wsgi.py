"""For gunicorn: `gunicorn --worker-class gthread --threads 16 'api.wsgi:application()'`.

Not with `--preload`: threads and connections do not survive a fork, so each worker makes its own. The
configuration is the file that `CLIPPING_CONFIG` names, and `CLIPPING_SECTION__KEY` variables.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path

from flask import Flask

from api.app import create_app
from api.cli import STOP_SECONDS, prepare
from clipping.config import load
from clipping.log import set_up


def application() -> Flask:
    """The app with its threads at work, for this process. Raises `ConfigurationError`."""
    path = os.environ.get("CLIPPING_CONFIG")
    config = load(Path(path) if path else None)
    set_up(config.log.format, config.log.level, identifier="clipping-api")
    prepare(config)
    app = create_app(config)
    services = app.extensions["clipping"]
    services.start()
    atexit.register(services.stop, STOP_SECONDS)
    return app
