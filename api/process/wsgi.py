"""The app as gunicorn's workers load it: `gunicorn --config python:api.gunicorn_settings`."""

from __future__ import annotations

from flask import Flask

from api.app import create_app
from api.process.configuration import configuration


def application() -> Flask:
    """The app of one worker; `api.process.worker` starts and stops its threads. Raises `ConfigurationError`."""
    return create_app(configuration())
