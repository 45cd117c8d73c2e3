"""gunicorn workers that use the same server as `clipping-api serve`: gunicorn only manages the processes.

gunicorn's own workers would need a thread for each slow reader and for each event stream.
"""

from __future__ import annotations

import logging
import os
from types import FrameType
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker

from api.server.serving import STOP_SECONDS, Server, server_of
from api.services import Services
from clipping.log import get_logger

log = get_logger(__name__)


class ApiWorker(Worker):  # type: ignore[misc]
    """Serves until gunicorn stops it or exits."""

    _server: Server | None = None

    def run(self) -> None:
        services: Services = self.wsgi.extensions["clipping"]
        (listener,) = self.sockets
        self._server = server_of(self.wsgi, listener.sock)
        services.start()
        log.info("api.worker_ready", pid=os.getpid())
        self._server.run(self._every_turn)
        services.stop(STOP_SECONDS)
        log.info("api.worker_stopped", pid=os.getpid())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: finish the requests in flight and exit."""
        super().handle_exit(sig, frame)
        self._stop()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT and SIGQUIT: the same."""
        self.alive = False
        self._stop()

    def _every_turn(self) -> None:
        self.notify()
        if self.ppid != os.getppid():
            log.error("api.master_gone", pid=os.getpid())
            self._stop()

    def _stop(self) -> None:
        if self._server is not None:
            self._server.stop()


class ToOurLog(Logger):  # type: ignore[misc]
    """Writes gunicorn's log to the service's log, in the same format."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(logging.INFO)
