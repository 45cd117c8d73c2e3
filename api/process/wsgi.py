"""The app for gunicorn's workers: `gunicorn --config python:api.gunicorn_settings`."""

from __future__ import annotations

from flask import Flask

from api.app import create_app
from api.process.configuration import configuration


def application() -> Flask:
    """One worker's app, whose threads `api.process.worker` starts. Raises `ConfigurationError`."""
    return create_app(configuration())
