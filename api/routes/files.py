"""Clips of the local store, behind signed links."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("files", __name__, url_prefix="/v1/files")
