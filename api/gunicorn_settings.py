"""gunicorn's settings: `gunicorn --config python:api.gunicorn_settings`.

All settings come from the service's configuration (`CLIPPING_CONFIG` names the file), except the number of
workers: set `--workers` or `WEB_CONCURRENCY` to the number of cores. With several workers use PostgreSQL;
SQLite works, but allows one writer at a time.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

from api.process.configuration import configuration
from clipping.exits import EXIT_OK, exit_code
from clipping.log import set_up

Result = TypeVar("Result")


def _or_exit(work: Callable[[], Result]) -> Result:
    """Return its result, or exit with the service's exit code and print every problem to stderr."""
    results: list[Result] = []

    def run() -> int:
        results.append(work())
        return EXIT_OK

    if code := exit_code(run):
        sys.exit(code)
    return results[0]


def _folder_for_counts() -> str:
    """The folder of the workers' metrics, which exists until this process, their master, exits."""
    master, folder = os.getpid(), tempfile.mkdtemp(prefix="clipping-metrics-")

    def remove() -> None:
        if os.getpid() == master:  # the workers inherit this
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


_config = _or_exit(configuration)
set_up(_config.log.format, _config.log.level, identifier="clipping-api")
# prometheus_client looks for this when it is imported, so nothing above may import it.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _folder_for_counts()

wsgi_app = "api.process.wsgi:application()"
worker_class = "api.process.worker.ApiWorker"
logger_class = "api.process.worker.ToOurLog"
_host = f"[{_config.api.host}]" if ":" in _config.api.host else _config.api.host
bind = f"{_host}:{_config.api.port}"
# Threads and connections do not survive a fork, so each worker makes its own.
preload_app = False
timeout = 30
"""A worker whose loop makes no progress for this long is replaced."""
graceful_timeout = 10
"""Cloud Run's limit, which is longer than a stop takes: see `api.server.serving`."""
control_socket_disable = True


def on_starting(_server: Any) -> None:
    """Check the schema once, before the workers start, and migrate a SQLite database."""
    from api.process.serve import prepare

    _or_exit(lambda: prepare(_config))


def when_ready(server: Any) -> None:
    """gunicorn's command line may have named another address than the configuration, which was checked."""
    from api.server.serving import check_address

    addresses = [listener.sock.getsockname()[0] for listener in server.LISTENERS]
    _or_exit(lambda: check_address(_config.api, addresses))


def child_exit(_server: Any, worker: Any) -> None:
    """Remove the open streams of a worker that has exited from the metrics."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
