"""The web console: static files that the API serves, without a build step."""

from pathlib import Path

STATIC = Path(__file__).parent / "static"
"""The folder with the files, none of which is in a folder below it."""
