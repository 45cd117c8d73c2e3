"""Structured logs: an event name and key=value pairs, as text, JSON lines or journald fields.

Use: `log = get_logger(__name__)`, `log.info("clip.completed", request_id=…, seconds=…)`. One line for
each change of state. Values are written as given: never pass a secret.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from clipping.clock import rfc3339

_JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class Logger:
    """A named logger that takes an event and fields."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: Any) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Like `error`, with the traceback of the exception being handled."""
        self._log(logging.ERROR, event, fields, exc_info=True)

    def _log(self, level: int, event: str, fields: dict[str, Any], *, exc_info: bool = False) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, exc_info=exc_info, extra={"fields": fields})


def get_logger(name: str) -> Logger:
    """The logger of a module."""
    return Logger(logging.getLogger(name))


def set_up(
    format: Literal["auto", "journal", "json", "text"] = "auto",
    level: str = "info",
    *,
    identifier: str = "clipping",
) -> None:
    """Send every log record to stderr or to the journal. Call it once, where a process is set up."""
    if format == "auto":
        if os.environ.get("JOURNAL_STREAM") and os.path.exists(_JOURNAL_SOCKET):
            format = "journal"
        else:
            format = "text" if sys.stderr.isatty() else "json"
    handler: logging.Handler = logging.StreamHandler(sys.stderr)
    if format == "journal":
        handler = _JournalHandler(identifier)
    elif format == "json":
        handler.setFormatter(_JsonFormatter())
    else:
        handler.setFormatter(_TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # The Google clients log every request at debug level; the others are noise for an operator.
    for name in ("google", "urllib3", "grpc", "werkzeug", "alembic.runtime.plugins"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return {key: value for key, value in fields.items() if value is not None}


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        pairs = " ".join(f"{key}={_quoted(value)}" for key, value in _fields(record).items())
        line = f"{rfc3339(moment)} {record.levelname.lower():7} {record.getMessage()} {pairs}".rstrip()
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


class _JsonFormatter(logging.Formatter):
    """One JSON object for each line, with the field names that Cloud Logging knows."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "severity": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


class _JournalHandler(logging.Handler):
    """journald's native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL), with fields to filter by."""

    def __init__(self, identifier: str) -> None:
        super().__init__()
        self._identifier = identifier
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._text = _TextFormatter()

    def emit(self, record: logging.LogRecord) -> None:
        message = self._text.format(record).split(" ", 2)[-1].lstrip()
        fields = {
            "MESSAGE": message,
            "PRIORITY": _PRIORITY.get(record.levelno, 6),
            "SYSLOG_IDENTIFIER": self._identifier,
            "LOGGER": record.name,
            "EVENT": record.getMessage(),
            **{f"CLIPPING_{key.upper()}": value for key, value in _fields(record).items()},
        }
        data = b"".join(
            _journal_field(key, str(value).encode(errors="surrogateescape")) for key, value in fields.items()
        )
        try:
            self._socket.sendto(data, _JOURNAL_SOCKET)
        except OSError:  # too long, or journald is restarting: stderr still reaches it
            sys.stderr.write(message[:4000] + "\n")


def _journal_field(key: str, value: bytes) -> bytes:
    if b"\n" in value:
        return key.encode() + b"\n" + len(value).to_bytes(8, "little") + value + b"\n"
    return key.encode() + b"=" + value + b"\n"


def _quoted(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if text and all(c.isprintable() and c not in ' "=' for c in text):
        return text
    return json.dumps(text, ensure_ascii=False)
