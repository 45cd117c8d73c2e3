"""A real API, as in its own tests."""

from __future__ import annotations

from tests.api.conftest import api, broker, make_api

__all__ = ["api", "broker", "make_api"]
